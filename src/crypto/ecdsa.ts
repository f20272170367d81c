import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { asBuffer } from "./bytes.ts";

/** Whether this is an elliptic-curve public key on P-384. */
export function isP384(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "secp384r1";
}

/**
 * Verifies ECDSA with P-384 and SHA-384 (FIPS 186-5 §6.4). OpenSSL refuses r or s of zero or not below the
 * order of the curve.
 *
 * @param signature - r and s, big-endian, 48 bytes each
 */
export function verifyP384(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  if (!isP384(key) || signature.byteLength !== 96) return false;
  return verify("sha384", data, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** Whether this is an elliptic-curve public key on P-256. */
export function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}

/**
 * A P-256 key from its coordinates, as a JWK: OpenSSL takes half again as long to find out what DER holds.
 *
 * @param point - x and y, big-endian, 32 bytes each
 * @returns undefined when the point is not on the curve, or a coordinate not below the field prime
 */
export function p256Key(point: Uint8Array): KeyObject | undefined {
  if (point.byteLength !== 64) return undefined;
  try {
    const bytes = asBuffer(point);
    const [x, y] = [bytes.toString("base64url", 0, 32), bytes.toString("base64url", 32)];
    return createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  } catch {
    return undefined;
  }
}

/**
 * Verifies ECDSA with P-256 and SHA-256 (FIPS 186-5 §6.4). OpenSSL refuses r or s of zero or not below the order of
 * the curve.
 *
 * @param signature - r and s, big-endian, 32 bytes each; or, with `encoding` "der", as X.509 has them
 */
export function verifyP256(
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
  encoding: "ieee-p1363" | "der" = "ieee-p1363",
): boolean {
  if (!isP256(key) || (encoding === "ieee-p1363" && signature.byteLength !== 64)) return false;
  return verify("sha256", data, { key, dsaEncoding: encoding }, signature);
}
