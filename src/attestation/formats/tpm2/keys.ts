/** Public keys as SubjectPublicKeyInfo: read strictly, told apart by fingerprint. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { DerError, type DerNode, DerReader, readDer, TAG } from "../../../crypto/der.ts";
import { curveByOpenSslName } from "./algorithms.ts";
import { Tpm2FormatError } from "./cursor.ts";

const MAX_SPKI_BYTES = 1024;
/** Shortest RSA modulus that counts, in bits. */
export const MIN_RSA_BITS = 2048;
const RSA_EXPONENT = 65537n;

/**
 * Reads one DER SubjectPublicKeyInfo in the form that OpenSSL writes, or, as some encoders have it for RSA, without the
 * NULL parameter; OpenSSL itself would also read keys with unused bits or other parameters.
 *
 * @throws Tpm2FormatError for anything else, a point off its curve included
 */
export function readSpki(der: Buffer): KeyObject {
  if (der.length > MAX_SPKI_BYTES) throw new Tpm2FormatError(`${der.length} bytes for a public key`);
  try {
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    const canonical = canonicalSpki(key);
    if (!canonical.equals(der) && !isWithoutParameters(der, canonical))
      throw new DerError("another encoding");
    return key;
  } catch (cause) {
    throw Object.assign(new Tpm2FormatError("the public key is not a DER SubjectPublicKeyInfo"), { cause });
  }
}

function canonicalSpki(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** RFC 8017 §A.1 wants NULL; some encoders leave it out. */
function isWithoutParameters(der: Buffer, canonical: Buffer): boolean {
  const [algorithm, key] = partsOf(der);
  const [wanted, sameKey] = partsOf(canonical);
  const bare = new DerReader(algorithm.content);
  const same = bare.next(TAG.oid).whole.equals(new DerReader(wanted.content).next(TAG.oid).whole);
  return same && bare.atEnd && key.whole.equals(sameKey.whole);
}

function partsOf(spki: Buffer): readonly [DerNode, DerNode] {
  const reader = new DerReader(readDer(spki, TAG.sequence).content);
  const parts = [reader.next(TAG.sequence), reader.next(TAG.bitString)] as const;
  reader.end();
  return parts;
}

/**
 * SHA-256 over the key as OpenSSL writes it, lower-case hex. Different encoders write the same RSA key with and
 * without a NULL parameter; this is the same for both, so it is what keys are listed and looked up by.
 */
export function keyFingerprint(key: KeyObject): string {
  return createHash("sha256").update(canonicalSpki(key)).digest("hex");
}

/** What makes a key too weak or of the wrong kind to sign quotes; undefined when nothing does. */
export function weakKeyFault(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "ec")
    return curveByOpenSslName(details?.namedCurve) === undefined
      ? "a curve other than P-256, P-384, P-521"
      : undefined;
  if (key.asymmetricKeyType !== "rsa") return "a key that is neither RSA nor on a NIST curve";
  const bits = details?.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS) return `an RSA key of ${bits} bits, at least ${MIN_RSA_BITS} are required`;
  return details?.publicExponent === RSA_EXPONENT ? undefined : "an RSA exponent other than 65537";
}

/** `RSA-2048` or `P-256`, for people. */
export function keyText(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "rsa") return `RSA-${details?.modulusLength ?? "?"}`;
  return curveByOpenSslName(details?.namedCurve) ?? `${key.asymmetricKeyType ?? "an unknown kind"}`;
}
