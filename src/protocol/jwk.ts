import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";

/** TEE public key on an elliptic curve: coordinates are base64url of exactly 32 (P-256) or 66 (P-521) bytes. */
export interface EcTeeKey {
  readonly kty: "EC";
  readonly crv: "P-256" | "P-521";
  readonly alg: "ECDH-ES+A256KW";
  readonly x: string;
  readonly y: string;
}

/** RSA TEE public key: `n` and `e` are base64url. `RSA1_5` is what clients of protocol 0.1.x send. */
export interface RsaTeeKey {
  readonly kty: "RSA";
  readonly alg: "RSA-OAEP-256" | "RSA1_5";
  readonly n: string;
  readonly e: string;
}

/** The key inside the guest that answers are encrypted to (KBS protocol 0.4.0, `runtime-data.tee-pubkey`). */
export type TeePublicKey = EcTeeKey | RsaTeeKey;

const COORDINATE_BYTES = { "P-256": 32, "P-521": 66 } as const;
const MIN_RSA_BYTES = 256;
const MAX_RSA_BYTES = 1024;
const BASE64URL = /^[A-Za-z0-9_-]*$/;

/**
 * Reads the typed members of a TEE public key; unknown members are dropped, because only the typed ones are
 * hashed into the evidence. Whether the point lies on its curve is decided when the key is imported.
 *
 * @throws KbsError `tee-key-rejected`
 */
export function parseTeePublicKey(value: JsonValue | undefined): TeePublicKey {
  if (!isObject(value)) throw rejected("it is not a JWK object");
  const kty = member(value, "kty");
  if (kty === "EC") return parseEc(value);
  if (kty === "RSA") return parseRsa(value);
  throw rejected(`kty must be "EC" or "RSA"`);
}

function parseEc(jwk: JsonObject): EcTeeKey {
  const crv = member(jwk, "crv");
  if (crv !== "P-256" && crv !== "P-521") throw rejected('crv must be "P-256" or "P-521"');
  if (member(jwk, "alg") !== "ECDH-ES+A256KW") throw rejected('alg of an EC key must be "ECDH-ES+A256KW"');
  const size = COORDINATE_BYTES[crv];
  const x = text(jwk, "x", size, size);
  return { kty: "EC", crv, alg: "ECDH-ES+A256KW", x, y: text(jwk, "y", size, size) };
}

function parseRsa(jwk: JsonObject): RsaTeeKey {
  const alg = member(jwk, "alg");
  if (alg !== "RSA-OAEP-256" && alg !== "RSA1_5")
    throw rejected('alg of an RSA key must be "RSA-OAEP-256" or "RSA1_5"');
  const n = text(jwk, "n", MIN_RSA_BYTES, MAX_RSA_BYTES);
  return { kty: "RSA", alg, n, e: text(jwk, "e", 1, 8) };
}

function text(jwk: JsonObject, name: string, minBytes: number, maxBytes: number): string {
  const value = member(jwk, name);
  if (typeof value !== "string" || !BASE64URL.test(value))
    throw rejected(`${name} must be unpadded base64url`);
  const bytes = Math.floor((value.length * 3) / 4);
  if (value.length % 4 === 1 || bytes < minBytes || bytes > maxBytes) {
    throw rejected(
      minBytes === maxBytes
        ? `${name} must be ${minBytes} bytes`
        : `${name} must be ${minBytes} to ${maxBytes} bytes`,
    );
  }
  return value;
}

/** The key as JSON, typed members only. Canonical printing sorts them. */
export function teePublicKeyJson(key: TeePublicKey): JsonObject {
  return key.kty === "EC"
    ? { alg: key.alg, crv: key.crv, kty: key.kty, x: key.x, y: key.y }
    : { alg: key.alg, e: key.e, kty: key.kty, n: key.n };
}

function rejected(reason: string): KbsError {
  return new KbsError("tee-key-rejected", `TEE public key refused: ${reason}.`);
}
