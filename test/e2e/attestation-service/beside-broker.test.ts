import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { sampleAttester } from "../../../src/cli/guest/attester.ts";
import { canonicalJson } from "../../../src/json/write.ts";
import { openHandshake, type Product, product } from "../../support/product.ts";
import { TEE_KEY } from "../../support/tokens.ts";

/** Broker and attestation service in one process: the service is there for brokers elsewhere. */
let server: Product;

beforeAll(async () => {
  server = await product({
    vendor: false,
    sections: "attestationService: { rest: { listen: { port: 0 } } }\n",
  });
  await server.provision("a/b/c", "a secret");
});
afterAll(() => server.close());

const ask = (token: string) =>
  server.send("GET", "/kbs/v0/resource/a/b/c", { headers: { authorization: `Bearer ${token}` } });

/** As a broker elsewhere has it evaluated: nonce and key are the caller's choice. */
async function evaluated(): Promise<string> {
  const structured = { nonce: "chosen long ago", "tee-pubkey": TEE_KEY.jwk };
  const digest = createHash("sha384").update(canonicalJson(structured)).digest("base64");
  const evidence = Buffer.from(JSON.stringify({ svn: "1", report_data: digest })).toString("base64url");
  const answer = await fetch(`${server.serviceUrls["rest"]}/attestation`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.adminToken}` },
    body: JSON.stringify({
      verification_requests: [{ tee: "sample", evidence, runtime_data: { structured } }],
      policy_ids: [],
    }),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(text);
  return text;
}

test("C4 a token of a handshake opens what one that a caller had evaluated does not", async () => {
  const { cookie, body } = await openHandshake(server, sampleAttester);
  const attested = await server.send("POST", "/kbs/v0/attest", { body: await body(), headers: { cookie } });
  expect((await ask(String(attested.json["token"]))).status).toBe(200);
  const refused = await ask(await evaluated());
  expect([refused.status, refused.json["code"]]).toEqual([401, "token-rejected"]);
  expect(refused.json["detail"]).toContain("another broker");
});
