import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import type { JsonObject } from "../../json/value.ts";

/** Keys a guest may ask the broker to encrypt to; the names are those of `--tee-key`. */
export const TEE_KEY_KINDS = ["p256", "p521", "rsa", "rsa1_5"] as const;
export type TeeKeyKind = (typeof TEE_KEY_KINDS)[number];

export interface TeeKey {
  readonly kind: TeeKeyKind;
  readonly privateKey: KeyObject;
  /** The public JWK with exactly the members that the protocol's clients send, in their order. */
  readonly jwk: JsonObject;
}

/** A new key in memory; it is never written anywhere, as a guest would have it. */
export function generateTeeKey(kind: TeeKeyKind): TeeKey {
  return describeTeeKey(newPrivateKey(kind), kind === "rsa1_5");
}

/**
 * @param pem - PKCS#8 (EC P-256, P-521) or PKCS#1/PKCS#8 (RSA)
 * @param legacyRsa - whether an RSA key asks for RSA1_5, as clients before protocol 0.2.0 do
 * @throws RangeError when the key is of no kind that the protocol has
 */
export function readTeeKey(pem: string, legacyRsa = false): TeeKey {
  return describeTeeKey(createPrivateKey(pem), legacyRsa);
}

function newPrivateKey(kind: TeeKeyKind): KeyObject {
  if (kind === "p256") return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  if (kind === "p521") return generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
  return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
}

function describeTeeKey(privateKey: KeyObject, legacyRsa: boolean): TeeKey {
  const { kty, crv, x, y, n, e } = publicMembers(privateKey);
  if (kty === "EC" && (crv === "P-256" || crv === "P-521") && x !== undefined && y !== undefined)
    return {
      kind: crv === "P-256" ? "p256" : "p521",
      privateKey,
      jwk: { kty, crv, alg: "ECDH-ES+A256KW", x, y },
    };
  if (kty === "RSA" && n !== undefined && e !== undefined)
    return {
      kind: legacyRsa ? "rsa1_5" : "rsa",
      privateKey,
      jwk: { kty, alg: legacyRsa ? "RSA1_5" : "RSA-OAEP-256", n, e },
    };
  throw new RangeError("a TEE key is EC P-256, EC P-521 or RSA");
}

/**
 * Exporting a key as JWK holds a lock that Node 20 shares between a key and everything derived from it; a garbage
 * collection of one of those in that moment never ends (about once in some thousand keys). Hence the detour over
 * DER, to a key that shares nothing.
 */
function publicMembers(privateKey: KeyObject): JsonWebKey {
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return createPublicKey({ key: der, type: "spki", format: "der" }).export({ format: "jwk" });
}
