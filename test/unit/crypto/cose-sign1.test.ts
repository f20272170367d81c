import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { type CborKey, CborTag, type CborValue, decodeCbor, encodeCbor } from "../../../src/crypto/cbor.ts";
import {
  CoseError,
  draftCoseSign1,
  parseCoseSign1,
  verifyCoseSign1,
} from "../../../src/crypto/cose-sign1.ts";
import { type SignatureAlgorithm, signWith } from "../../../src/crypto/signature-algorithms.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const p256 = (x: string, y: string) =>
  createPublicKey({
    format: "jwk",
    key: { kty: "EC", crv: "P-256", x: hex(x).toString("base64url"), y: hex(y).toString("base64url") },
  });

/** RFC 9052 appendix C.2.1. */
const RFC9052 = hex(
  "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23" +
    "d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36",
);
const RFC9052_KEY = p256(
  "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff",
  "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e",
);

const PAYLOAD = Buffer.from("payload");
const KEYS: Readonly<Record<string, { publicKey: KeyObject; privateKey: KeyObject }>> = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  EdDSA: generateKeyPairSync("ed25519"),
};

function keys(algorithm: SignatureAlgorithm) {
  const pair = KEYS[algorithm];
  if (pair === undefined) throw new Error(`no key for ${algorithm}`);
  return pair;
}

function signed(algorithm: SignatureAlgorithm, header: Iterable<readonly [CborKey, CborValue]> = []): Buffer {
  const draft = draftCoseSign1(algorithm, PAYLOAD, header);
  return draft.finish(signWith(algorithm, keys(algorithm).privateKey, draft.toBeSigned));
}

/** The four parts of a message, changed by `change`. */
function altered(message: Buffer, change: (parts: CborValue[]) => void): Buffer {
  const value = decodeCbor(message);
  if (!(value instanceof CborTag) || !Array.isArray(value.value)) throw new Error("not a tagged array");
  const parts = [...value.value];
  change(parts);
  return encodeCbor(new CborTag(18, parts));
}

describe("COSE_Sign1", () => {
  test("verifies the signature of RFC 9052 appendix C.2.1, and not with one bit changed", () => {
    expect(verifyCoseSign1(parseCoseSign1(RFC9052), "ES256", RFC9052_KEY)).toBe(true);
    const changed = Buffer.from(RFC9052);
    changed[20] = (changed[20] ?? 0) ^ 1;
    expect(verifyCoseSign1(parseCoseSign1(changed), "ES256", RFC9052_KEY)).toBe(false);
  });

  test.each(["ES256", "ES384", "EdDSA"] as const)("%s: verifies what it signed", (algorithm) => {
    const message = parseCoseSign1(signed(algorithm));
    expect(message.algorithm).toBe(algorithm);
    expect(verifyCoseSign1(message, algorithm, keys(algorithm).publicKey)).toBe(true);
    expect(message.payload).toEqual(PAYLOAD);
  });

  test("reads a message without its tag", () => {
    const value = decodeCbor(signed("ES256"));
    const bare = encodeCbor(value instanceof CborTag ? value.value : value);
    expect(verifyCoseSign1(parseCoseSign1(bare), "ES256", keys("ES256").publicKey)).toBe(true);
  });

  test("the algorithm is the caller's: another one in the header is no signature of it", () => {
    const message = parseCoseSign1(signed("ES384"));
    expect(verifyCoseSign1(message, "ES256", keys("ES384").publicKey)).toBe(false);
    expect(verifyCoseSign1(message, "ES384", keys("ES256").publicKey)).toBe(false);
  });

  test("a detached payload must be given, an attached one must not be replaced", () => {
    const attached = signed("ES256");
    const detached = parseCoseSign1(altered(attached, (parts) => (parts[2] = null)));
    const { publicKey } = keys("ES256");
    expect(verifyCoseSign1(detached, "ES256", publicKey)).toBe(false);
    expect(verifyCoseSign1(detached, "ES256", publicKey, PAYLOAD)).toBe(true);
    expect(verifyCoseSign1(detached, "ES256", publicKey, Buffer.from("other"))).toBe(false);
    expect(verifyCoseSign1(parseCoseSign1(attached), "ES256", publicKey, PAYLOAD)).toBe(false);
  });

  test.each([
    ["an unprotected header that was swapped for a protected one", 0, encodeCbor(new Map())],
    ["a protected header that is not a map", 0, encodeCbor(1)],
    ["an algorithm that has no signature (A128GCM)", 0, encodeCbor(new Map([[1, 1]]))],
    ["HMAC as algorithm", 0, encodeCbor(new Map([[1, 5]]))],
    ["a label in both headers", 1, new Map([[1, -7]])],
    ["crit outside of the protected header", 1, new Map<CborKey, CborValue>([[2, [4]]])],
    ["a payload of text", 2, "payload"],
    ["a signature that is not bytes", 3, "signature"],
  ])("refuses %s", (_, at, value: CborValue) => {
    const message = altered(signed("ES256"), (parts) => (parts[at] = value));
    expect(() => parseCoseSign1(message)).toThrow(CoseError);
  });

  test("refuses a critical header that it does not understand, an empty crit, and one that names nothing", () => {
    expect(() =>
      parseCoseSign1(
        signed("ES256", [
          [2, [99]],
          [99, 1],
        ]),
      ),
    ).toThrow(CoseError);
    expect(() => parseCoseSign1(signed("ES256", [[2, []]]))).toThrow(CoseError);
    expect(() => parseCoseSign1(signed("ES256", [[2, [4]]]))).toThrow(CoseError);
    expect(
      parseCoseSign1(
        signed("ES256", [
          [2, [4]],
          [4, Buffer.from("k")],
        ]),
      ).algorithm,
    ).toBe("ES256");
  });

  test.each([0, 1, 63, 65, 72])("a signature of %d bytes is none", (length) => {
    const message = altered(signed("ES256"), (parts) => (parts[3] = Buffer.alloc(length, 1)));
    expect(verifyCoseSign1(parseCoseSign1(message), "ES256", keys("ES256").publicKey)).toBe(false);
  });

  test("a private key verifies nothing, and a key of another curve signs nothing", () => {
    expect(verifyCoseSign1(parseCoseSign1(signed("ES256")), "ES256", keys("ES256").privateKey)).toBe(false);
    expect(() => signWith("ES256", keys("ES384").privateKey, PAYLOAD)).toThrow(TypeError);
    expect(() => draftCoseSign1("RS256", PAYLOAD)).toThrow(TypeError);
  });
});
