import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Attester } from "../../../src/cli/guest/attester.ts";
import { generateTeeKey } from "../../../src/cli/guest/tee-key.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import { writeJson } from "../../../src/json/write.ts";
import { type Answer, attestOutcome, type Product, product } from "../../support/product.ts";

/**
 * What evidence must be bound to, asked of the whole product. The digests are made here, character by character
 * as the protocol describes them, and not by the guest that ships: an error common to guest and broker would
 * go unnoticed otherwise.
 */
let server: Product;
let snp: Attester;

beforeAll(async () => {
  server = await product();
  snp = await server.snp();
});
afterAll(() => server.close());

const KEY = generateTeeKey("p256").jwk;
const DEVICE = "sampledevice";

/** RFC 8785: members sorted, no white space; base64 and base64url need no escapes, the list of devices does. */
function runtimeData(nonce: string, additional?: string): string {
  const { alg, crv, kty, x, y } = KEY;
  const devices = additional === undefined ? "" : `"additional-evidence":${JSON.stringify(additional)},`;
  return `{${devices}"nonce":"${nonce}","tee-pubkey":{"alg":"${alg}","crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}}`;
}

function digest(text: string): Buffer {
  return createHash("sha384").update(text).digest();
}

function sample(reportData: Buffer): JsonObject {
  return { svn: "1", report_data: reportData.toString("base64") };
}

async function open(tee = "sample") {
  const body = JSON.stringify({ version: "0.4.0", tee, "extra-params": "" });
  const { json, cookie = "" } = await server.send("POST", "/kbs/v0/auth", { body });
  return { nonce: String(json["nonce"]), cookie };
}

interface Parts {
  readonly evidence: JsonValue;
  readonly additional?: string;
  readonly key?: JsonValue;
  readonly initData?: JsonValue | undefined;
}

function attest({ nonce, cookie }: Awaited<ReturnType<typeof open>>, parts: Parts): Promise<Answer> {
  // Registers of 64 bits are exact integers, which JSON.stringify does not print.
  const body = writeJson({
    ...(parts.initData === undefined ? {} : { "init-data": parts.initData }),
    "runtime-data": { nonce, "tee-pubkey": parts.key ?? KEY },
    "tee-evidence": { primary_evidence: parts.evidence, additional_evidence: parts.additional ?? "" },
  });
  return server.send("POST", "/kbs/v0/attest", { body, headers: { cookie } });
}

/** Annotated evidence of the primary device. */
function annotated({ status, text, json }: Answer): Record<string, unknown> {
  if (status !== 200) throw new Error(text);
  const payload = Buffer.from(String(json["token"]).split(".")[1] ?? "", "base64url").toString();
  return JSON.parse(payload).submods.cpu0["ear.veraison.annotated-evidence"];
}

describe("/auth", () => {
  test("P14 Secure Execution is told to use SHA-512, and refused when it cannot", async () => {
    const ask = (offered: unknown) =>
      server.send("POST", "/kbs/v0/auth", {
        body: JSON.stringify({
          version: "0.4.0",
          tee: "se",
          "extra-params": { "supported-hash-algorithms": offered },
        }),
      });
    for (const name of ["sha512", "SHA512"])
      expect((await ask(["sha256", name])).json["extra-params"]).toEqual({
        "selected-hash-algorithm": "sha512",
      });
    expect(await ask(["sha256"])).toMatchObject({ status: 401, json: { code: "handshake-refused" } });
  });

  test("P13 P19 other TEEs are told nothing, whatever they offer", async () => {
    for (const tee of ["snp", "tdx", "sgx", "sample"]) {
      const extra = { "supported-hash-algorithms": ["sha512"], unknown: [1] };
      const body = JSON.stringify({ version: "0.4.0", tee, "extra-params": extra });
      expect((await server.send("POST", "/kbs/v0/auth", { body })).json["extra-params"]).toBe("");
    }
  });
});

describe("the binding to nonce and key", () => {
  test("P24 evidence over the right digest verifies; with any one bit of it flipped it does not", async () => {
    const right = await open();
    expect((await attest(right, { evidence: sample(digest(runtimeData(right.nonce, ""))) })).status).toBe(
      200,
    );
    for (const bit of [0, 7, 191, 383]) {
      const session = await open();
      const reportData = digest(runtimeData(session.nonce, ""));
      reportData.writeUInt8(reportData.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(await attest(session, { evidence: sample(reportData) })).toMatchObject({
        status: 401,
        json: { code: "evidence-rejected", check: "report-data" },
      });
    }
  });

  test("P25 a digest that leaves the empty list of devices out does not", async () => {
    const session = await open();
    const reportData = digest(runtimeData(session.nonce));
    expect((await attest(session, { evidence: sample(reportData) })).json["check"]).toBe("report-data");
  });

  test("P28 members that are not hashed may be in the key", async () => {
    const session = await open();
    const evidence = sample(digest(runtimeData(session.nonce, "")));
    const key = { ...KEY, kid: "mine", use: "enc", key_ops: ["deriveKey"] };
    const evidenceOf = annotated(await attest(session, { evidence, key }));
    expect(evidenceOf["runtime_data_claims"]).toMatchObject({ "tee-pubkey": KEY });
  });

  test.each([
    ["another hash", (text: string) => createHash("sha512").update(text).digest()],
    ["its hash cut", (text: string) => digest(text).subarray(0, 32)],
    ["its hash with a zero behind", (text: string) => Buffer.concat([digest(text), Buffer.alloc(1)])],
    ["white space between members", (text: string) => digest(text.replaceAll(",", ", "))],
    [
      "another order",
      (text: string) => digest(text.replace(/"alg":"([^"]*)","crv":"([^"]*)"/, '"crv":"$2","alg":"$1"')),
    ],
    ["nothing", () => Buffer.alloc(0)],
  ])("A13 %s is refused", async (_, reportDataOf) => {
    const session = await open();
    const reportData = reportDataOf(runtimeData(session.nonce, ""));
    expect(await attest(session, { evidence: sample(reportData) })).toMatchObject({
      status: 401,
      json: { code: "evidence-rejected" },
    });
  });
});

test("B28 a server that was not told to believes no made-up evidence", async () => {
  const strict = await product({ vendor: false, sample: false });
  try {
    await strict.provision("default/key/one", "secret");
    expect(await attestOutcome(strict.guest())).toMatchObject({
      status: 401,
      answer: { code: "evidence-rejected", tee: "sample", check: "sample-allowed" },
    });
  } finally {
    await strict.close();
  }
});

describe("devices", () => {
  async function withDevice(change: (text: string) => string) {
    const session = await open();
    const evidence = sample(digest(runtimeData(session.nonce)));
    const additional = JSON.stringify({ [DEVICE]: { ...evidence, svn: "2" } });
    const primary = sample(digest(runtimeData(session.nonce, additional)));
    return attest(session, { evidence: primary, additional: change(additional) });
  }

  test("P26 a device in the hashed text verifies; one space more and nothing does", async () => {
    expect((await withDevice((text) => text)).status).toBe(200);
    expect(await withDevice((text) => `${text} `)).toMatchObject({
      status: 401,
      json: { check: "report-data" },
    });
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["a TEE that nobody knows", '{"abacus":{}}'],
    ["a TEE twice", `{"${DEVICE}":{},"${DEVICE}":{}}`],
  ])("P27 %s in additional evidence is refused, though its text is hashed", async (_, additional) => {
    const session = await open();
    const evidence = sample(digest(runtimeData(session.nonce, additional)));
    expect(await attest(session, { evidence, additional })).toMatchObject({
      status: 401,
      json: { code: "handshake-refused" },
    });
  });
});

describe("init-data", () => {
  const toml = (algorithm: string, more = "") => `version = "0.1.0"
algorithm = "${algorithm}"

[data]
"aa.toml" = '''
[token_configs.kbs]
url = "http://kbs:8080"
'''
"cdh.toml" = '''
socket = "unix:///run/cdh.sock"
'''
"policy.rego" = '''
package agent_policy
default AllowRequest := false
policy_data := {"containers": [{"image": "one"}]}
'''
${more}`;

  async function attestSnp(body: string, hashed: Buffer, format = "toml") {
    const session = await open("snp");
    const reportData = digest(runtimeData(session.nonce, ""));
    const evidence = await snp.collect({ reportData, initDataDigest: hashed });
    return attest(session, { evidence, initData: { format, body } });
  }

  test("P29 absent, null and TOML are taken, another format is not", async () => {
    for (const initData of [undefined, null, { format: "toml", body: toml("sha256") }]) {
      const session = await open();
      const evidence = sample(digest(runtimeData(session.nonce, "")));
      expect((await attest(session, { evidence, initData })).status).toBe(200);
    }
    const session = await open();
    const evidence = sample(digest(runtimeData(session.nonce, "")));
    const initData = { format: "json", body: "{}" };
    expect(await attest(session, { evidence, initData })).toMatchObject({
      status: 401,
      json: { code: "handshake-refused" },
    });
  });

  test.each(["sha256", "sha384", "sha512", "sm3"])(
    "P30 B26 the hardware has to vouch for the %s of the exact text",
    async (algorithm) => {
      const body = toml(algorithm);
      const hash = (text: string) => createHash(algorithm).update(text).digest();
      expect((await attestSnp(body, hash(body))).status).toBe(200);
      expect(await attestSnp(`${body}\n`, hash(body))).toMatchObject({
        status: 401,
        json: { code: "evidence-rejected", check: "host-data" },
      });
    },
  );

  test("B26 a digest by another algorithm than the document names is refused, and one that nobody knows", async () => {
    const body = toml("sha256");
    const other = await attestSnp(body, createHash("sha384").update(body).digest());
    expect(other.json["check"]).toBe("host-data");
    const unknown = toml("sha3-256");
    const refused = await attestSnp(unknown, createHash("sha256").update(unknown).digest());
    expect(refused.json["code"]).toBe("handshake-refused");
  });

  test("P31 what the documents hold stands in the token as JSON", async () => {
    const body = toml("sha256", '"notes" = "as it is"\n');
    const evidence = annotated(await attestSnp(body, createHash("sha256").update(body).digest()));
    expect(evidence["init_data_claims"]).toEqual({
      "aa.toml": { token_configs: { kbs: { url: "http://kbs:8080" } } },
      "cdh.toml": { socket: "unix:///run/cdh.sock" },
      agent_policy_claims: { containers: [{ image: "one" }] },
      notes: "as it is",
    });
  });
});
