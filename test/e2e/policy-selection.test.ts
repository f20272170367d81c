import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { sampleAttester } from "../../src/cli/guest/attester.ts";
import { openHandshake, type Product, product } from "../support/product.ts";

/**
 * Two tenants on one server. What the guest wishes chooses among what the operator mapped, and what it chose opens
 * what the operator listed: that holds against a release policy that would let everybody in.
 */
let server: Product;

const AFFIRM = 'package policy\n\ntrust_claims := {"hardware": 2, "executables": 3}\n';
const SELECTOR = "attestation-policy-selector";

beforeAll(async () => {
  server = await product({
    vendor: false,
    attestation:
      "policySelectors: [ { selector: team-a, policyId: lenient, repositories: [ team-a ] }, { selector: broken, policyId: nobody-stored-this, repositories: [ team-a ] } ]",
  });
  for (const repository of ["team-a", "team-b"])
    await server.provision(`${repository}/key/1`, `secret of ${repository}`);
  await setPolicy("attestation", "lenient_cpu", AFFIRM);
});
afterAll(() => server.close());

async function setPolicy(kind: "attestation" | "resource", id: string, text: string): Promise<void> {
  const body = { policy_id: id, policy: Buffer.from(text).toString("base64url") };
  const { status, text: answer } = await server.admin("POST", `/kbs/v0/${kind}-policy`, JSON.stringify(body));
  if (status !== 200) throw new Error(answer);
}

/** A guest that chose a policy: its token, its claims, and what it gets. */
async function attested(extraParams: unknown) {
  const { cookie, body } = await openHandshake(server, sampleAttester, extraParams);
  const answer = await server.send("POST", "/kbs/v0/attest", { body: await body(), headers: { cookie } });
  const [, payload = ""] = String(answer.json["token"] ?? "").split(".");
  const get = (path: string) => server.send("GET", `/kbs/v0/resource/${path}`, { headers: { cookie } });
  return {
    answer,
    get,
    claims: answer.status === 200 ? JSON.parse(Buffer.from(payload, "base64url").toString()) : {},
  };
}

describe("AS-097 the policy that the guest asks for", () => {
  test("without a wish the server's own choice judges, and the token says so", async () => {
    const { claims, get } = await attested("");
    expect(claims.submods.cpu0).toMatchObject({
      "ear.appraisal-policy-id": "default",
      "ear.status": "contraindicated",
    });
    expect((await get("team-b/key/1")).status).toBe(200);
  });

  test("a mapped wish judges by the mapped policy, and the token says so", async () => {
    const { claims, get } = await attested({ [SELECTOR]: "team-a" });
    expect(claims.submods.cpu0).toMatchObject({
      "ear.appraisal-policy-id": "lenient",
      "ear.status": "affirming",
    });
    expect((await get("team-a/key/1")).status).toBe(200);
  });

  test("it opens nothing of another tenant, though the release policy allows everything", async () => {
    const { get } = await attested({ [SELECTOR]: "team-a" });
    const { status, json } = await get("team-b/key/1");
    expect([status, json["code"], json["reason"]]).toEqual([403, "policy-denied", "appraisal-policy"]);
    const audit = readFileSync(join(server.folder, "data", "audit.ndjson"), "utf8");
    expect(audit).toContain('"reason":"appraisal-policy"');
  });

  test("an unmapped wish is refused before any evidence is looked at", async () => {
    for (const wish of ["lenient", "default_cpu", "team-b", 1]) {
      const body = JSON.stringify({ version: "0.4.0", tee: "sample", "extra-params": { [SELECTOR]: wish } });
      const { status, json, cookie } = await server.send("POST", "/kbs/v0/auth", { body });
      expect([wish, status, json["code"]]).toEqual([wish, 401, "handshake-refused"]);
      expect(cookie).toBeUndefined();
    }
  });

  test("a wish mapped to a policy that nobody stored gives no token", async () => {
    const { answer } = await attested({ [SELECTOR]: "broken" });
    expect([answer.status, answer.json["code"]]).toEqual([401, "appraisal-failed"]);
  });
});

describe("release policies of single repositories", () => {
  test("the one of the repository decides, and the general one for all others", async () => {
    const { get } = await attested("");
    await setPolicy("resource", "resource-policy/team-a", "package policy\ndefault allow := false\n");
    expect((await get("team-a/key/1")).status).toBe(403);
    expect((await get("team-b/key/1")).status).toBe(200);
    const ids = await server.admin("GET", "/kbs/v0/resource-policy");
    expect(JSON.parse(ids.text)).toEqual(["resource-policy", "resource-policy/team-a"]);
    expect((await server.admin("DELETE", "/kbs/v0/resource-policy/resource-policy/team-a")).status).toBe(200);
    expect((await get("team-a/key/1")).status).toBe(200);
  });

  test("it can demand the policy that judged the evidence", async () => {
    const strict = [
      "package policy",
      "default allow := false",
      'allow if input.submods.cpu0["ear.appraisal-policy-id"] == "lenient"',
    ].join("\n");
    await setPolicy("resource", "resource-policy/team-a", strict);
    expect((await (await attested("")).get("team-a/key/1")).status).toBe(403);
    expect((await (await attested({ [SELECTOR]: "team-a" })).get("team-a/key/1")).status).toBe(200);
  });
});

describe("AS-028 stored defaults beside the shipped ones", () => {
  test("the administrator sees which differ, and how", async () => {
    const none = await server.admin("GET", "/kbs/v0/attestation-policy?compare=shipped");
    expect(JSON.parse(none.text)).toEqual([]);
    await setPolicy("attestation", "default_gpu", AFFIRM);
    const found = await server.admin("GET", "/kbs/v0/attestation-policy?compare=shipped");
    expect(JSON.parse(found.text)).toEqual([
      expect.objectContaining({
        name: "default_gpu",
        differs: true,
        shippedChanged: false,
        by: "admin",
        diff: expect.stringContaining("--- shipped/default_gpu.rego"),
      }),
    ]);
    const one = await server.admin("GET", "/kbs/v0/attestation-policy/default_cpu?compare=shipped");
    expect(one.json).toEqual({ name: "default_cpu", differs: false });
    const bad = await server.admin("GET", "/kbs/v0/attestation-policy?compare=mine");
    expect(bad.status).toBe(400);
  });

  test("so does the command line", async () => {
    const { code, out } = await server.administer(["policy", "diff"]);
    expect([code, String(out)]).toEqual([0, expect.stringContaining("-# Appraisal of one GPU")]);
    expect(String(out)).toContain("default_gpu");
    const same = await server.administer(["policy", "diff", "--id", "default_cpu"]);
    expect([same.code, String(same.out)]).toEqual([0, "default_cpu is the shipped policy.\n"]);
    const json = await server.administer(["policy", "diff", "--json"]);
    expect(JSON.parse(String(json.out))).toMatchObject({ differences: [{ name: "default_gpu" }] });
  });
});
