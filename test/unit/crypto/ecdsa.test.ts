import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { p256Key, verifyP256 } from "../../../src/crypto/ecdsa.ts";

/** A point of P-256 with a small x, so that x plus the field prime still has 32 bytes. */
const X = `${"00".repeat(31)}05`;
const Y = "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc";
const X_PLUS_PRIME = "ffffffff00000001000000000000000000000001000000000000000000000004";

const keyOf = (hex: string) => p256Key(Buffer.from(hex, "hex"));

describe("P-256 keys from coordinates", () => {
  test("verify what their private keys signed", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const point = publicKey.export({ type: "spki", format: "der" }).subarray(-64);
    const key = p256Key(point);
    const data = Buffer.from("signed");
    const signature = sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
    expect(key && verifyP256(key, data, signature)).toBe(true);
    expect(key && verifyP256(key, Buffer.from("other"), signature)).toBe(false);
  });

  test("are taken with leading zeros", () => {
    expect(keyOf(X + Y)?.asymmetricKeyType).toBe("ec");
  });

  test.each([
    ["B21 a point off the curve", `${X}${Y.replace(/c$/, "d")}`],
    ["B21 a coordinate above the field prime", X_PLUS_PRIME + Y],
    ["B21 the point at infinity", "00".repeat(64)],
    ["63 bytes", (X + Y).slice(2)],
    ["65 bytes", `04${X}${Y}`],
  ])("%s is no key", (_, hex) => {
    expect(keyOf(hex)).toBeUndefined();
  });
});
