import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from "node:crypto";
import type { BuiltinContext } from "./builtin.ts";
import type { VerificationKey } from "./jwt-keys.ts";

/** A signature check costs about as much as this many steps. */
const SIGNATURE_STEPS = 500;

interface Algorithm {
  /** Node's digest name; null where the algorithm has its own. */
  readonly digest: string | null;
  readonly family: "RSA" | "PSS" | "EC" | "Ed25519" | "HMAC";
  /** Node's name of the curve. */
  readonly curve?: string;
}

/** RFC 7518 §3.1 and RFC 8037 §3.1. */
const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ...["256", "384", "512"].flatMap((size): [string, Algorithm][] => [
    [`RS${size}`, { digest: `sha${size}`, family: "RSA" }],
    [`PS${size}`, { digest: `sha${size}`, family: "PSS" }],
    [`HS${size}`, { digest: `sha${size}`, family: "HMAC" }],
  ]),
  ["ES256", { digest: "sha256", family: "EC", curve: "prime256v1" }],
  ["ES384", { digest: "sha384", family: "EC", curve: "secp384r1" }],
  ["ES512", { digest: "sha512", family: "EC", curve: "secp521r1" }],
  ["EdDSA", { digest: null, family: "Ed25519" }],
]);

/** Whether one of the keys made the signature under this algorithm. A key that names another one is passed over. */
export function verifyAsymmetric(
  alg: string,
  keys: readonly VerificationKey[],
  data: string,
  signature: Uint8Array,
  ctx: BuiltinContext,
): boolean {
  const algorithm = ALGORITHMS.get(alg);
  if (algorithm === undefined || algorithm.family === "HMAC") return false;
  return keys.some((key) => {
    if ((key.alg !== undefined && key.alg !== alg) || !fits(algorithm, key.key)) return false;
    ctx.charge(SIGNATURE_STEPS + (data.length >> 6));
    return holds(algorithm, key.key, Buffer.from(data, "utf8"), signature);
  });
}

/** The key must be of the algorithm's own kind, or an attacker could choose what its bytes mean. */
function fits(algorithm: Algorithm, key: KeyObject): boolean {
  switch (algorithm.family) {
    case "EC":
      return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === algorithm.curve;
    case "Ed25519":
      return key.asymmetricKeyType === "ed25519";
    default:
      return key.asymmetricKeyType === "rsa";
  }
}

function holds(algorithm: Algorithm, key: KeyObject, data: Buffer, signature: Uint8Array): boolean {
  try {
    if (algorithm.family === "EC")
      return verify(algorithm.digest, data, { key, dsaEncoding: "ieee-p1363" }, signature);
    if (algorithm.family === "PSS") return verify(algorithm.digest, data, pss(key), signature);
    return verify(algorithm.digest, data, key, signature);
  } catch {
    // A signature or key that OpenSSL cannot even read has not been made by that key.
    return false;
  }
}

function pss(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
}

/** Whether the secret made the code under an HMAC algorithm; false for every other algorithm. */
export function verifySymmetric(
  alg: string,
  secret: string,
  data: string,
  code: Uint8Array,
  ctx: BuiltinContext,
): boolean {
  const algorithm = ALGORITHMS.get(alg);
  if (algorithm?.family !== "HMAC" || algorithm.digest === null) return false;
  ctx.charge(1 + (data.length >> 6));
  const expected = createHmac(algorithm.digest, secret).update(data, "utf8").digest();
  return expected.length === code.length && timingSafeEqual(expected, code);
}
