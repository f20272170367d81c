import { createPublicKey, type JsonWebKey, type KeyObject, X509Certificate } from "node:crypto";
import { JsonTextError, readJsonText } from "../json.ts";
import { type BuiltinContext, badValue } from "./builtin.ts";

/** Most keys of one key set: every key costs a signature check. */
const MAX_KEYS = 32;

/** A key that may verify a token. */
export interface VerificationKey {
  readonly key: KeyObject;
  /** What a JWK says about itself; absent for certificates and bare public keys. */
  readonly alg?: string;
  readonly kid?: string;
}

/**
 * The keys in a PEM certificate, a PEM public key, a JWK or a JWK set. Neither the dates nor the issuer of a
 * certificate are looked at: it only carries a key.
 *
 * @throws BuiltinError when the text is none of these
 */
export function readKeys(text: string, ctx: BuiltinContext): readonly VerificationKey[] {
  ctx.charge(100 + (text.length >> 4));
  if (text.includes("-----BEGIN ")) return [{ key: readPem(text.trim()) }];
  const keys = jwks(text);
  if (keys.length > MAX_KEYS) throw badValue(`a key set of more than ${MAX_KEYS} keys`);
  return keys.map(readJwk);
}

function readPem(text: string): KeyObject {
  const label = ["CERTIFICATE", "PUBLIC KEY"].find((name) => text.includes(`-----BEGIN ${name}-----`));
  if (label === undefined) throw badValue("a PEM block that is neither a certificate nor a public key");
  const end = `-----END ${label}-----`;
  if (text.indexOf(end) + end.length !== text.length) throw badValue("extra data after a PEM block");
  try {
    return label === "CERTIFICATE" ? new X509Certificate(text).publicKey : createPublicKey(text);
  } catch {
    throw badValue(`failed to parse a PEM ${label.toLowerCase()}`);
  }
}

function jwks(text: string): readonly unknown[] {
  try {
    const document = readJsonText(text);
    const set = memberOf(document, "keys");
    return Array.isArray(set) ? set : [document];
  } catch (error) {
    if (error instanceof JsonTextError) throw badValue("failed to parse a JWK key (set)");
    throw error;
  }
}

function memberOf(document: unknown, name: string): unknown {
  if (typeof document !== "object" || document === null || !Object.hasOwn(document, name)) return undefined;
  return Object.entries(document).find(([member]) => member === name)?.[1];
}

/** The members of public keys (RFC 7517, 7518, 8037). Private members are not handed on. */
const PUBLIC_MEMBERS = ["kty", "crv", "x", "y", "n", "e"] as const;

function readJwk(jwk: unknown): VerificationKey {
  const key: JsonWebKey = {};
  for (const name of PUBLIC_MEMBERS) {
    const value = memberOf(jwk, name);
    if (typeof value === "string") key[name] = value;
  }
  const [alg, kid] = [memberOf(jwk, "alg"), memberOf(jwk, "kid")];
  try {
    return {
      key: createPublicKey({ key, format: "jwk" }),
      ...(typeof alg === "string" ? { alg } : {}),
      ...(typeof kid === "string" ? { kid } : {}),
    };
  } catch {
    throw badValue("failed to parse a JWK key (set)");
  }
}
