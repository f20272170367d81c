import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Attester, sampleDeviceAttester } from "../../src/cli/guest/attester.ts";
import { type InitData, printAttestation, runtimeDataDigest } from "../../src/cli/guest/generation.ts";
import { openHandshake, type Product, product } from "../support/product.ts";

/** Abuse of appraisal, against the whole server and the real SEV-SNP verifier; only the vendor is of our own. */
let server: Product;
let snp: Attester;

beforeAll(async () => {
  server = await product();
  snp = await server.snp();
  await server.provision("team-a/key/1", "the secret");
});
afterAll(() => server.close());

const TOML = 'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n"aa.toml" = "a = 1"\n';
const document = (body: string): InitData => ({ format: "toml", body });
const sha256 = (text: string) => createHash("sha256").update(text).digest();

/** What a host that controls everything outside the guest can change. */
interface Host {
  /** Devices that the guest's evidence vouches for, and what arrives instead. */
  readonly vouched?: boolean;
  readonly arrives?: (devices: string) => string;
  /** HOST_DATA of the launch. */
  readonly launched?: Uint8Array;
  readonly initData?: InitData;
}

async function attest({ vouched = false, arrives = (text) => text, launched, initData }: Host = {}) {
  const { nonce, key, cookie } = await openHandshake(server, snp);
  const device = await sampleDeviceAttester.collect({
    reportData: runtimeDataDigest("sha384", nonce, key.jwk, undefined),
    initDataDigest: undefined,
  });
  const devices = vouched ? JSON.stringify({ sampledevice: device }) : "";
  const reportData = runtimeDataDigest("sha384", nonce, key.jwk, devices);
  const body = printAttestation("0.4.0", {
    nonce,
    teeKey: key.jwk,
    evidence: await snp.collect({ reportData, initDataDigest: launched }),
    additionalEvidence: arrives(devices),
    initData,
  });
  const answer = await server.send("POST", "/kbs/v0/attest", { body, headers: { cookie } });
  const [, payload = ""] = String(answer.json["token"] ?? "").split(".");
  const get = () => server.send("GET", "/kbs/v0/resource/team-a/key/1", { headers: { cookie } });
  const claims = answer.status === 200 ? JSON.parse(Buffer.from(payload, "base64url").toString()) : {};
  return {
    answer,
    get,
    evidence: claims.submods?.cpu0?.["ear.veraison.annotated-evidence"],
    submods: claims.submods,
  };
}

async function setPolicy(kind: "resource" | "attestation", id: string, text: string) {
  const body = JSON.stringify({ policy_id: id, policy: Buffer.from(text).toString("base64url") });
  return server.admin("POST", `/kbs/v0/${kind}-policy`, body);
}

const forget = (id: string) => server.admin("DELETE", `/kbs/v0/attestation-policy/${id}`);

describe("B22 devices", () => {
  test("vouched for and unchanged they are appraised", async () => {
    const { submods } = await attest({ vouched: true });
    expect(Object.keys(submods)).toEqual(["cpu0", "gpu0"]);
  });

  test.each<[string, (devices: string) => string]>([
    ["dropped", () => ""],
    ["swapped for another that verifies as well", (text) => text.replace('"svn":"2"', '"svn":"3"')],
    ["one blank more", (text) => text.replace("{", "{ ")],
  ])("%s on the way refuse the guest", async (_, arrives) => {
    const { answer } = await attest({ vouched: true, arrives });
    expect([answer.status, answer.json["check"]]).toEqual([401, "report-data"]);
  });

  test("a repository that demands one refuses a guest without", async () => {
    const demanding =
      'package policy\n\ndefault allow := false\n\nallow if input.submods.gpu0["ear.veraison.annotated-evidence"].sampledevice\n';
    await setPolicy("resource", "resource-policy/team-a", demanding);
    expect((await (await attest()).get()).status).toBe(403);
    expect((await (await attest({ vouched: true })).get()).status).toBe(200);
    await server.admin("DELETE", "/kbs/v0/resource-policy/resource-policy/team-a");
  });
});

describe("B24 B25 B26 init-data", () => {
  test("launched with and sent, its claims are there", async () => {
    const { evidence } = await attest({ launched: sha256(TOML), initData: document(TOML) });
    expect(evidence).toMatchObject({
      init_data: sha256(TOML).toString("hex"),
      init_data_claims: { "aa.toml": { a: 1 } },
    });
  });

  test("B24 a launch without any vouches for none: zeros are no wildcard", async () => {
    for (const launched of [undefined, Buffer.alloc(32)]) {
      const { answer } = await attest({
        ...(launched === undefined ? {} : { launched }),
        initData: document(TOML),
      });
      expect([answer.status, answer.json["check"]]).toEqual([401, "host-data"]);
    }
  });

  test("B25 without a document the field of the report is shown and claims nothing", async () => {
    const { evidence } = await attest({ launched: sha256(TOML) });
    expect(evidence).toMatchObject({ init_data: sha256(TOML).toString("hex"), init_data_claims: null });
  });

  test.each<[string, Uint8Array, string]>([
    ["appended white space", sha256(TOML), `${TOML}\n`],
    ["another document", sha256(TOML), TOML.replace("a = 1", "a = 2")],
    ["the digest by another algorithm", createHash("sha512").update(TOML).digest().subarray(0, 32), TOML],
  ])("B26 %s refuses the guest", async (_, launched, body) => {
    const { answer } = await attest({ launched, initData: document(body) });
    expect([answer.status, answer.json["check"]]).toEqual([401, "host-data"]);
  });

  test.each(["md5", "sha1", "none", ""])("B26 algorithm %j refuses the handshake", async (algorithm) => {
    const body = TOML.replace("sha256", algorithm);
    const { answer } = await attest({ launched: sha256(body), initData: document(body) });
    expect([answer.status, answer.json["code"]]).toEqual([401, "handshake-refused"]);
  });
});

describe("appraisal policies of an attacker", () => {
  test.each([
    ["the network", 'http.send({"method": "get", "url": "http://127.0.0.1/"})'],
    ["names of other machines", 'net.lookup_ip_addr("localhost")'],
    ["the environment", "opa.runtime()"],
  ])("D8 reaching for %s is refused at upload, and the old policy stays", async (_, call) => {
    const text = `package policy\n\ntrust_claims := {"hardware": 2} if ${call}\n`;
    const { status, json } = await setPolicy("attestation", "default_cpu", text);
    expect([status, json["code"]]).toEqual([400, "policy-invalid"]);
    expect((await attest()).answer.status).toBe(200);
  });

  test("D9 D10 one without end is cut off and denies; other guests are served meanwhile", async () => {
    const endless = `package policy\n\ntrust_claims := {"hardware": 2} if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta * b < 0\n}\n`;
    expect((await setPolicy("attestation", "default_cpu", endless)).status).toBe(200);
    const attacked = attest();
    expect((await server.send("GET", "/healthz")).status).toBe(200);
    const { answer } = await attacked;
    expect([answer.status, answer.json["code"]]).toEqual([401, "appraisal-failed"]);
    await forget("default_cpu");
    expect((await attest()).answer.status).toBe(200);
  });

  test.each([
    ["undefined", 'trust_claims := {"hardware": 2} if input.snp.policy_debug_allowed == true'],
    ["failing", 'trust_claims := {"hardware": to_number("x")}'],
    ["computing a value that no token can carry", 'trust_claims := {"hardware": 100 * 3}'],
    ["computing a name that is no claim", 'trust_claims := {lower("HARDWARE_X"): 2}'],
    ["two answers", 'trust_claims := {"hardware": 2}\n\ntrust_claims := {"hardware": 3} if input.snp'],
  ])("D10 one that is %s gives no token", async (_, rules) => {
    expect((await setPolicy("attestation", "default_cpu", `package policy\n\n${rules}\n`)).status).toBe(200);
    const { answer } = await attest();
    expect([answer.status, answer.json["code"]]).toEqual([401, "appraisal-failed"]);
    expect(answer.json["token"]).toBeUndefined();
    await forget("default_cpu");
  });

  test("D13 one written for other claims is refused, and the old policy goes on", async () => {
    const stale = 'package policy\n\ntrust_claims := {"hardware": 2} if not input.snp.policy_debug_enabled\n';
    const { status, text } = await setPolicy("attestation", "default_cpu", stale);
    expect(status).toBe(400);
    expect(text).toContain("policy_debug_enabled");
    expect((await attest()).submods.cpu0["ear.trustworthiness-vector"].hardware).toBe(97);
  });
});
