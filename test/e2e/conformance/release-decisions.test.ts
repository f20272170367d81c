import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readJson } from "../../../src/json/read.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { DENY_ALL, openHandshake, type Product, product } from "../../support/product.ts";

let server: Product;
const PATH = "team-a/key/1";

beforeAll(async () => {
  server = await product({ vendor: false });
});
afterAll(() => server.close());

async function ask(policy: string) {
  await server.provision(PATH, "the secret", policy);
  const { cookie, body } = await openHandshake(server);
  await server.send("POST", "/kbs/v0/attest", { body: await body(), headers: { cookie } });
  return server.send("GET", `/kbs/v0/resource/${PATH}`, { headers: { cookie } });
}

/** The record of the request that an answer names. */
function recordOf(instance: unknown): JsonObject {
  const lines = readFileSync(join(server.folder, "data", "audit.ndjson"), "utf8")
    .trim()
    .split("\n");
  const records = lines.map((line) => readJson(line) as JsonObject); // the audit log is a list of objects
  const found = records.find((record) => {
    const event = (record["record"] ?? record) as JsonObject;
    return typeof instance === "string" && instance.includes(String(event["requestId"]));
  });
  if (found === undefined) throw new Error("no record of this request");
  return (found["record"] ?? found) as JsonObject;
}

describe("AS-066 AS-067 a denial", () => {
  const REASONS = `package policy\n\ndefault allow := false\n\nallow if input.submods.cpu0["ear.status"] == "a-secret-condition"\n`;

  test("is 403 with the error object of the protocol, and tells nothing of the policy", async () => {
    for (const policy of [DENY_ALL, REASONS]) {
      const { status, json, text } = await ask(policy);
      expect(status).toBe(403);
      expect(json).toMatchObject({ type: expect.stringContaining("PolicyDeny"), detail: expect.any(String) });
      for (const word of ["a-secret-condition", "ear.status", "rego", "allow if"])
        expect(text).not.toContain(word);
    }
  });

  test("is in the audit log with the policy's hash and why, under the id that the client got", async () => {
    const { json } = await ask(REASONS);
    expect(recordOf(json["instance"])).toMatchObject({
      event: "release",
      outcome: "denied",
      reason: "false",
      policy: "resource-policy",
      policyHash: expect.stringMatching(/^[0-9a-f]{96}$/),
      path: PATH,
      submods: { cpu0: "contraindicated" },
    });
  });

  test("a policy that fails is told apart from one that denies, in the log", async () => {
    const { status, json } = await ask('package policy\n\nallow := to_number("x") == 1\n');
    expect([status, json["code"]]).toEqual([403, "policy-error"]);
    expect(recordOf(json["instance"])).toMatchObject({ outcome: "policy-error", reason: "evaluation-error" });
  });

  test("AS-068 a release policy may ask for reference values here", async () => {
    const policy = (condition: string) =>
      `package policy\n\ndefault allow := false\n\nallow if ${condition}\n`;
    expect((await ask(policy('query_reference_value("nobody-registered-this") == null'))).status).toBe(200);
    expect((await ask(policy('"x" in query_reference_value("nobody-registered-this")'))).status).toBe(403);
  });
});
