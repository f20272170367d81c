import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { Tpm2FormatError } from "../../../../src/attestation/formats/tpm2/cursor.ts";
import { keyFingerprint, readSpki, weakKeyFault } from "../../../../src/attestation/formats/tpm2/keys.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey;
const spki = (key: typeof rsa) => key.export({ type: "spki", format: "der" });
const changed = (der: Buffer, at: number, value: number) => {
  const copy = Buffer.from(der);
  copy.writeUInt8(value, at);
  return copy;
};

describe("public keys", () => {
  test("an RSA key without the NULL parameter is the same key", () => {
    const der = spki(rsa);
    // SEQUENCE, SEQUENCE 13, OID of nine bytes, NULL, BIT STRING: without the NULL both lengths are two less.
    const bare = Buffer.concat([der.subarray(0, 17), der.subarray(19)]);
    bare.writeUInt16BE(der.readUInt16BE(2) - 2, 2);
    bare.writeUInt8(11, 5);
    expect(keyFingerprint(readSpki(bare))).toBe(keyFingerprint(rsa));
    expect(readSpki(der).equals(rsa)).toBe(true);
  });

  test.each([
    ["other parameters", changed(spki(rsa), 17, 0x85)],
    ["unused bits in the key", changed(spki(ec), 22, 1)],
    ["a byte behind it", Buffer.concat([spki(rsa), Buffer.alloc(1)])],
    [
      "a private key",
      generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "der" }),
    ],
    ["nothing", Buffer.alloc(0)],
    ["two KiB", Buffer.alloc(2048, 0x30)],
  ])("%s is refused", (_, der) => {
    expect(() => readSpki(der)).toThrow(Tpm2FormatError);
  });

  test("B30 keys of other kinds are weak, whatever their size", () => {
    expect(weakKeyFault(createPublicKey(generateKeyPairSync("ed25519").privateKey))).toContain("neither");
    expect(
      weakKeyFault(createPublicKey(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey)),
    ).toContain("neither");
    expect(
      weakKeyFault(createPublicKey(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey)),
    ).toContain("curve");
    expect(weakKeyFault(rsa)).toBeUndefined();
    expect(weakKeyFault(ec)).toBeUndefined();
  });
});
