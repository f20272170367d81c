import { type KeyObject, verify } from "node:crypto";

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
