import { describe, expect, test } from "@jest/globals";
import { KbsError, type ProblemCode } from "../../../src/errors.ts";
import type { JsonValue } from "../../../src/json/value.ts";
import { parseAttestation, parseRequest } from "../../../src/protocol/handshake.ts";
import { parseTeePublicKey, teePublicKeyJson } from "../../../src/protocol/jwk.ts";
import { parseResourcePath } from "../../../src/protocol/resource-path.ts";

const EC = {
  kty: "EC",
  crv: "P-256",
  alg: "ECDH-ES+A256KW",
  x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
  y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
};

function codeOf(run: () => unknown): ProblemCode | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof KbsError) return error.code;
    throw error;
  }
  return undefined;
}

function request(over: Record<string, JsonValue | undefined>): JsonValue {
  const members = Object.entries({ version: "0.4.0", tee: "snp", "extra-params": "", ...over });
  const object: Record<string, JsonValue> = {};
  for (const [name, value] of members) if (value !== undefined) object[name] = value;
  return object;
}

describe("parseRequest", () => {
  test.each([
    ["0.1.0", "0.1"],
    ["0.1.1", "0.1"],
    ["0.2.0", "0.2"],
    ["0.4.0", "0.4"],
    ["0.4.0+build.7", "0.4"],
  ])("P11 takes version %s as generation %s", (version, generation) => {
    expect(parseRequest(request({ version })).generation).toBe(generation);
  });

  test.each(["0.3.0", "0.4.1", "1.0.0", "0.4.0-rc.1", "0.0.0"])(
    "P15 refuses version %s by name",
    (version) => {
      expect(() => parseRequest(request({ version }))).toThrow("KBS Client Protocol Version Mismatch");
    },
  );

  test.each(["0.4", "", "v0.4.0", "0.4.0 ", "00.4.0"])(
    "P16 refuses %j, which is not a semantic version",
    (version) => {
      expect(codeOf(() => parseRequest(request({ version })))).toBe("handshake-refused");
    },
  );

  test("P17 wants extra-params, and takes null, an empty string and an object", () => {
    expect(codeOf(() => parseRequest(request({ "extra-params": undefined })))).toBe("handshake-refused");
    for (const value of [null, "", {}, { unknown: 1 }]) {
      expect(parseRequest(request({ "extra-params": value })).extraParams).toEqual(value);
    }
  });

  test("P18 knows today's TEE names and their older spellings, and no others", () => {
    expect(parseRequest(request({ tee: "nvidiadpu" })).tee).toBe("nvidia-dpu");
    expect(parseRequest(request({ tee: "azsnpvtpm" })).tee).toBe("az-snp-vtpm");
    expect(parseRequest(request({ tee: "aztdxvtpm" })).tee).toBe("az-tdx-vtpm");
    for (const tee of ["sev", "SNP", "", "constructor", 7, null]) {
      expect(codeOf(() => parseRequest(request({ tee })))).toBe("handshake-refused");
    }
  });
});

describe("parseAttestation", () => {
  const body = (over: Record<string, JsonValue> = {}): JsonValue => ({
    "init-data": null,
    "runtime-data": { nonce: "AAEC", "tee-pubkey": EC },
    "tee-evidence": { primary_evidence: { svn: "1" }, additional_evidence: "" },
    ...over,
  });

  test("P29 takes init-data that is absent, null or TOML, and refuses other formats", () => {
    expect(parseAttestation(body(), "0.4").initData).toBeUndefined();
    expect(parseAttestation(body({ "init-data": { format: "toml", body: "x" } }), "0.4").initData?.body).toBe(
      "x",
    );
    expect(codeOf(() => parseAttestation(body({ "init-data": { format: "json", body: "{}" } }), "0.4"))).toBe(
      "handshake-refused",
    );
  });

  test.each(["not json", '{"nosuchtee":{}}', "[]", '{"tpm":1,"tpm":2}', '{"nvidiadpu":1,"nvidia-dpu":2}'])(
    "P27 refuses additional evidence %j",
    (additional_evidence) => {
      const evidence = { primary_evidence: {}, additional_evidence };
      expect(codeOf(() => parseAttestation(body({ "tee-evidence": evidence }), "0.4"))).toBe(
        "handshake-refused",
      );
    },
  );

  test("keeps the order of devices and the raw text", () => {
    const additional_evidence = '{"tpm":{"a":1}, "nvidia":{"b":2}}';
    const parsed = parseAttestation(
      body({ "tee-evidence": { primary_evidence: {}, additional_evidence } }),
      "0.4",
    );
    expect(parsed.additional.map((device) => device.tee)).toEqual(["tpm", "nvidia"]);
    expect(parsed.additionalEvidence).toBe(additional_evidence);
  });

  test("A15 leaving out any member is refused, never taken as a default", () => {
    for (const broken of [
      { "runtime-data": { "tee-pubkey": EC } },
      { "runtime-data": { nonce: "AAEC" } },
      { "tee-evidence": { additional_evidence: "" } },
      { "tee-evidence": { primary_evidence: {} } },
      { "tee-evidence": { primary_evidence: {}, additional_evidence: null } },
    ] satisfies Record<string, JsonValue>[]) {
      expect(codeOf(() => parseAttestation(body(broken), "0.4"))).toBeDefined();
    }
  });

  test("reads the flat layout of 0.2.0 and the evidence text of 0.1.0", () => {
    const evidence = { svn: "1" };
    expect(parseAttestation({ "tee-pubkey": EC, "tee-evidence": evidence }, "0.2").primaryEvidence).toEqual(
      evidence,
    );
    const text = JSON.stringify(evidence);
    expect(parseAttestation({ "tee-pubkey": EC, "tee-evidence": text }, "0.1").primaryEvidence).toEqual(
      evidence,
    );
    expect(parseAttestation({ "tee-pubkey": EC, "tee-evidence": text }, "0.2").primaryEvidence).toBe(text);
  });
});

describe("parseTeePublicKey", () => {
  test("P28 drops members that are not hashed", () => {
    expect(teePublicKeyJson(parseTeePublicKey({ ...EC, kid: "x", use: "enc" }))).toEqual(EC);
  });

  test.each([
    { ...EC, alg: "ECDH-ES" },
    { ...EC, crv: "P-384" },
    { ...EC, x: EC.x.slice(0, 42) },
    { ...EC, x: `${EC.x}=` },
    { ...EC, y: "" },
    { kty: "OKP", crv: "X25519", alg: "ECDH-ES+A256KW", x: EC.x },
    { kty: "RSA", alg: "RSA-OAEP", n: "A".repeat(342), e: "AQAB" },
    { kty: "RSA", alg: "RSA-OAEP-256", n: "AQAB", e: "AQAB" },
    {},
    null,
    "EC",
  ] satisfies JsonValue[])("P56 refuses %j", (jwk) => {
    expect(codeOf(() => parseTeePublicKey(jwk))).toBe("tee-key-rejected");
  });
});

describe("parseResourcePath", () => {
  test("P66 takes three plain parts", () => {
    expect(parseResourcePath(["default", "key", "v1.0_a-b"])).toBe("default/key/v1.0_a-b");
  });

  test.each([
    [["a", "b"]],
    [["a", "b", "c", "d"]],
    [["", "b", "c"]],
    [["..", "b", "c"]],
    [[".a", "b", "c"]],
    [["a", "b", "c/d"]],
    [["a", "b", "c\\d"]],
    [["a", "b", "c\0"]],
    [["a", "b", "c\n"]],
    [["a", "b", "%2e%2e"]],
    [["a", "b", "é"]],
    [["a", "b", "ａ"]],
    [["a", "b", "x".repeat(121)]],
  ])("D1 P66 refuses %j", (segments) => {
    expect(codeOf(() => parseResourcePath(segments))).toBe("resource-path-invalid");
  });
});
