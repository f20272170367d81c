import { afterEach, describe, expect, test } from "@jest/globals";
import { sampleAttester } from "../../../src/cli/guest/attester.ts";
import { attest, getResource } from "../../../src/cli/guest/client.ts";
import { Refused } from "../../../src/cli/guest/refusal.ts";
import {
  ADMIN_TOKEN,
  type AloneService,
  aloneService,
  BROKER_TOKEN,
  keySetOf,
  SERVICE_TOKEN,
} from "../../support/attestation-service.ts";
import { grpcClient } from "../../support/grpc-client.ts";
import { openHandshake, outcomeOf, type Product, product } from "../../support/product.ts";

const AFFIRMING = `package policy
import rego.v1
default allow := false
allow if {
  data.plugin == "resource"
  input.submods.cpu0["ear.status"] == "affirming"
}
`;
const ALL_GOOD = `package policy
import rego.v1
trust_claims := {"executables": 2, "hardware": 2, "configuration": 2}
`;
const base64url = (text: string) => Buffer.from(text).toString("base64url");

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function kept<T extends { close(): Promise<void> }>(thing: T): T {
  open.push(thing);
  return thing;
}

/** A broker that believes no evidence itself: what it releases rests on the service's word alone. */
async function brokerOf(
  driver: "coco_as_grpc" | "coco_as_rest",
  service: AloneService,
  { attestation = "", keys = service }: { attestation?: string; keys?: AloneService } = {},
): Promise<Product> {
  const address = driver === "coco_as_grpc" ? service.grpc : service.rest;
  return kept(
    await product({
      vendor: false,
      sample: false,
      attestation,
      files: { "as.token": BROKER_TOKEN, "as.jwks": await keySetOf(keys.grpc) },
      sections: `attestationService:
  driver: ${driver}
  remote:
    address: ${address}
    token: { file: as.token }
    timeoutSeconds: 5
    trustedIssuer: { issuer: keywarden, algorithms: [ ES256 ], jwksFile: as.jwks }
`,
    }),
  );
}

const setPolicy = (broker: Product, policy_id: string, policy: string) =>
  broker.admin(
    "POST",
    "/kbs/v0/attestation-policy",
    JSON.stringify({ policy_id, policy: base64url(policy) }),
  );

describe.each(["coco_as_grpc", "coco_as_rest"] as const)("a broker with %s", (driver) => {
  test("releases a secret on the word of the service, as its policies say", async () => {
    const service = kept(await aloneService());
    const broker = await brokerOf(driver, service);
    await broker.provision("team/key/1", "secret", AFFIRMING);
    // The shipped policy finds nothing good about sample evidence without reference values.
    expect(await outcomeOf(broker.guest(), "team/key/1")).toBeInstanceOf(Refused);
    expect((await setPolicy(broker, "default_cpu", ALL_GOOD)).status).toBe(200);
    expect(String(await getResource(broker.guest(), "team/key/1"))).toBe("secret");
    const client = kept({
      ...(await grpcClient(service.grpc, { token: ADMIN_TOKEN })),
      close: async () => {},
    });
    const stored = await client.call("administration", "GetPolicy", { policy_id: "default_cpu" });
    expect(stored.message["policy"]).toBe(ALL_GOOD);
  });

  test("E4 without its service refuses with 503, says so in /readyz, and goes on when it is back", async () => {
    const service = await aloneService();
    const broker = await brokerOf(driver, service);
    expect((await broker.send("GET", "/readyz")).status).toBe(200);
    await service.close();
    const refused = await attest(broker.guest()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 503 });
    const ready = await broker.send("GET", "/readyz");
    expect(ready.status).toBe(503);
    expect(ready.text).toContain('{"name":"attestation-service","ready":false');
  });

  test("a service with another key is not believed", async () => {
    const [service, other] = [kept(await aloneService()), kept(await aloneService())];
    const broker = await brokerOf(driver, service, { keys: other });
    const outcome = await attest(broker.guest()).then(
      () => "believed",
      (error: unknown) => (error instanceof Refused ? error.status : error),
    );
    expect(outcome).toBe(502);
  });

  test("AS-097 evidence judged by the policies that a guest chose opens what those may open, and nothing else", async () => {
    const service = kept(await aloneService());
    const broker = await brokerOf(driver, service, {
      attestation: "policySelectors: [ { selector: a, policyId: team-a, repositories: [ team-a ] } ]",
    });
    await broker.provision("team-a/key/1", "secret of a", AFFIRMING);
    await broker.provision("team-b/key/1", "secret of b", AFFIRMING);
    await setPolicy(broker, "team-a_cpu", ALL_GOOD);
    const chosen = { "attestation-policy-selector": "a" };
    const { cookie, body } = await openHandshake(broker, sampleAttester, chosen);
    await broker.send("POST", "/kbs/v0/attest", { body: await body(), headers: { cookie } });
    const get = async (path: string) =>
      (await broker.send("GET", `/kbs/v0/resource/${path}`, { headers: { cookie } })).status;
    expect([await get("team-a/key/1"), await get("team-b/key/1")]).toEqual([200, 403]);
  });

  test("what the service keeps to itself is not answered from here", async () => {
    const service = kept(await aloneService());
    const broker = await brokerOf(driver, service);
    const listed = await broker.admin("GET", "/kbs/v0/attestation-policy");
    expect({ status: listed.status, code: listed.json["code"] }).toEqual({ status: 404, code: "not-found" });
    const bad = await setPolicy(broker, "default_cpu", "package policy\nallow {");
    expect({ status: bad.status, code: bad.json["code"] }).toEqual({ status: 400, code: "policy-invalid" });
  });
});

const message = (values: object) =>
  JSON.stringify({
    version: "0.1.0",
    type: "sample",
    payload: Buffer.from(JSON.stringify(values)).toString("base64"),
  });

const GOOD_SAMPLE = { svn: ["1"], launch_digest: ["abcde"], major_version: 1, minimum_minor_version: 4 };

describe("reference values of a provider elsewhere", () => {
  test("AS-068 are asked for by appraisal at the service and by release here, and set through here", async () => {
    const service = kept(await aloneService());
    const broker = await brokerOf("coco_as_grpc", service);
    const policy = `package policy
import rego.v1
default allow := false
allow if {
  input.submods.cpu0["ear.status"] == "affirming"
  "abcde" in query_reference_value("launch_digest")
}
`;
    await broker.provision("team/key/1", "secret", policy);
    expect(await outcomeOf(broker.guest(), "team/key/1")).toBeInstanceOf(Refused);
    expect((await broker.admin("POST", "/kbs/v0/reference-value", message(GOOD_SAMPLE))).status).toBe(200);
    expect((await broker.admin("GET", "/kbs/v0/reference-value/svn")).text).toBe('["1"]');
    expect((await broker.admin("GET", "/kbs/v0/reference-value/none")).status).toBe(404);
    expect(String(await outcomeOf(broker.guest(), "team/key/1"))).toBe("secret");
  });

  test("AS-083 serve the attestation service, and deny when they do not answer", async () => {
    const provider = await aloneService();
    const service = kept(
      await aloneService({
        rvps: `remote: { address: "${provider.rvps}", token: { file: broker.token }, timeoutSeconds: 2 }`,
      }),
    );
    const status = async () => {
      const client = await grpcClient(service.grpc, { token: SERVICE_TOKEN });
      const evidence = base64url('{"svn":"1","report_data":""}');
      const asked = { verification_requests: [{ tee: "sample", evidence }] };
      const answer = await client.call("attestation", "AttestationEvaluate", asked);
      client.close();
      if (answer.code !== 0) return answer.problem;
      const [, payload = ""] = String(answer.message["attestation_token"]).split(".");
      return JSON.parse(Buffer.from(payload, "base64url").toString()).submods.cpu0["ear.status"];
    };
    expect(await status()).toBe("contraindicated");
    const client = await grpcClient(service.rvps, { token: ADMIN_TOKEN });
    const set = await client.call("referenceValues", "RegisterReferenceValue", {
      message: message(GOOD_SAMPLE),
    });
    client.close();
    expect(set.code).toBe(0);
    expect(await status()).toBe("affirming");
    await provider.close();
    expect(await status()).toBe("appraisal-failed");
  });
});
