import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { canonicalJson, isArray, isObject, member } from "../json/write.ts";
import { asTokenAlgorithm, keyFits, type VerificationKey } from "./algorithms.ts";

/** Most keys that one set may hold. */
const MAX_KEYS = 200;
const PUBLIC_MEMBERS = ["kty", "crv", "x", "y", "n", "e"];
/** Bytes of a point without compression, by OpenSSL's name of the curve, and JOSE's name of it. */
const CURVES: Readonly<Record<string, { readonly crv: string; readonly pointBytes: number }>> = {
  prime256v1: { crv: "P-256", pointBytes: 65 },
  secp384r1: { crv: "P-384", pointBytes: 97 },
};
const ED25519_BYTES = 32;

/**
 * Public JWK of a P-256, P-384 or Ed25519 key; coordinates have their full width. Read from the key's DER: exporting
 * as JWK holds a lock inside Node that a garbage collection in the same moment never gets (seen on 20.20).
 *
 * @throws TypeError for any other key
 */
export function publicJwkOf(key: KeyObject): JsonObject {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const der = publicKey.export({ type: "spki", format: "der" });
  if (publicKey.asymmetricKeyType === "ed25519")
    return { kty: "OKP", crv: "Ed25519", x: der.toString("base64url", der.length - ED25519_BYTES) };
  const curve = CURVES[publicKey.asymmetricKeyDetails?.namedCurve ?? ""];
  if (curve === undefined) throw new TypeError("not a P-256, P-384 or Ed25519 key");
  const point = der.subarray(-curve.pointBytes);
  if (point[0] !== 4) throw new TypeError("an elliptic-curve key whose point is compressed");
  const middle = (curve.pointBytes + 1) / 2;
  return {
    kty: "EC",
    crv: curve.crv,
    x: point.toString("base64url", 1, middle),
    y: point.toString("base64url", middle),
  };
}

/** As `publicJwkOf`, for P-256 alone. @throws TypeError for any other key */
export function p256PublicJwk(key: KeyObject): JsonObject {
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw new TypeError("not a P-256 key");
  return publicJwkOf(key);
}

/** Members that the thumbprint covers, by key type (RFC 7638 §3.2, RFC 8037 §2). */
const THUMBPRINT_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
};

/** RFC 7638 thumbprint (SHA-256, base64url) of an EC or OKP JWK. */
export function jwkThumbprint(jwk: JsonObject): string {
  const names = THUMBPRINT_MEMBERS[String(member(jwk, "kty"))] ?? [];
  const required = Object.fromEntries(names.map((name) => [name, member(jwk, name) ?? null]));
  return createHash("sha256").update(canonicalJson(required)).digest("base64url");
}

/**
 * The public part of a JWK as a key.
 * @throws TypeError when it is not a usable public key
 */
export function importPublicJwk(jwk: JsonObject): KeyObject {
  const plain: Record<string, string> = {};
  for (const name of PUBLIC_MEMBERS) {
    const value = member(jwk, name);
    if (typeof value === "string") plain[name] = value;
  }
  try {
    return createPublicKey({ key: plain, format: "jwk" });
  } catch (cause) {
    throw new TypeError("the JWK is not a usable public key", { cause });
  }
}

/**
 * Keys of a JWK set (RFC 7517 §5) that can verify tokens. A key without `alg` is left out: choosing an
 * algorithm for it is exactly what a forger would like to do. So are keys without `kid`, for encryption, of a
 * type that `alg` does not fit, and private or symmetric ones.
 *
 * @throws TypeError when the text is not a JWK set, holds a usable key twice under one `kid`, or too many keys
 */
export function parseKeySet(text: Uint8Array | string): readonly VerificationKey[] {
  const set = parsedSet(text);
  if (set.length > MAX_KEYS) throw new TypeError(`a JWK set with more than ${MAX_KEYS} keys`);
  const keys = set.map(verificationKey).filter((key) => key !== undefined);
  if (new Set(keys.map(({ kid }) => kid)).size !== keys.length)
    throw new TypeError("a JWK set with two keys of one kid");
  return keys;
}

function parsedSet(text: Uint8Array | string): readonly JsonValue[] {
  let set: JsonValue;
  try {
    set = readJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new TypeError("not a JWK set: no JSON", { cause: error });
    throw error;
  }
  const keys = isObject(set) ? member(set, "keys") : undefined;
  if (!isArray(keys)) throw new TypeError('not a JWK set: no member "keys"');
  return keys;
}

function verificationKey(jwk: JsonValue): VerificationKey | undefined {
  if (!isObject(jwk)) return undefined;
  const kid = member(jwk, "kid");
  const algorithm = asTokenAlgorithm(member(jwk, "alg"));
  const use = member(jwk, "use");
  if (typeof kid !== "string" || kid === "" || algorithm === undefined) return undefined;
  if (use !== undefined && use !== "sig") return undefined;
  if (member(jwk, "d") !== undefined || member(jwk, "k") !== undefined) return undefined;
  try {
    const key = importPublicJwk(jwk);
    return keyFits(algorithm, key) ? { kid, algorithm, key } : undefined;
  } catch {
    return undefined;
  }
}
