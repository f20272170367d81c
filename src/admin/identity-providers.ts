import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { KbsError } from "../errors.ts";
import { readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";

/** Signature algorithms an administrator's token may have; none of them is symmetric. */
export type AdminAlgorithm = "EdDSA" | "ES256" | "ES384" | "RS256" | "PS256" | "PS384";

/** One entry of `admin.identityProviders`. */
export interface IdentityProviderConfig {
  readonly name?: string | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly algorithms: readonly AdminAlgorithm[];
  readonly publicKey?: string | undefined;
  readonly jwksFile?: string | undefined;
  readonly legacyKeyWithoutRole?: string | undefined;
}

export interface AdminKey {
  /** `undefined`: the provider has this one key, whatever `kid` says. */
  readonly kid: string | undefined;
  readonly key: KeyObject;
  /** What this very key may verify: never chosen by a token. */
  readonly algorithms: readonly AdminAlgorithm[];
}

export interface IdentityProvider {
  readonly name: string;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly keys: readonly AdminKey[];
  /** Role of tokens that carry none; only for clients of old releases. */
  readonly legacyRole: string | undefined;
}

/**
 * Reads the keys of every provider.
 * @throws KbsError `internal` naming the option, for start-up
 */
export async function loadIdentityProviders(
  configs: readonly IdentityProviderConfig[],
): Promise<readonly IdentityProvider[]> {
  return Promise.all(configs.map((config, at) => loadProvider(config, `admin.identityProviders[${at}]`)));
}

async function loadProvider(config: IdentityProviderConfig, path: string): Promise<IdentityProvider> {
  return {
    name: config.name ?? config.issuer ?? path,
    issuer: config.issuer,
    audience: config.audience,
    keys: await loadKeys(config, path),
    legacyRole: config.legacyKeyWithoutRole,
  };
}

async function loadKeys(config: IdentityProviderConfig, path: string): Promise<readonly AdminKey[]> {
  const { publicKey, jwksFile, algorithms } = config;
  if (publicKey !== undefined) {
    const pem = await readKeyFile(publicKey, `${path}.publicKey`);
    return [keyFor(parsePem(pem, `${path}.publicKey`), undefined, algorithms, `${path}.publicKey`)];
  }
  if (jwksFile === undefined) throw misconfigured(path, "names no key");
  const text = await readKeyFile(jwksFile, `${path}.jwksFile`);
  return parseKeySet(text, algorithms, `${path}.jwksFile`);
}

async function readKeyFile(file: string, path: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw misconfigured(path, `${file} cannot be read`, error);
  }
}

function parsePem(pem: string, path: string): KeyObject {
  if (pem.includes("PRIVATE KEY"))
    throw misconfigured(path, "holds a private key; the server needs the public one");
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw misconfigured(path, "is not a PEM public key", error);
  }
}

function parseKeySet(text: string, algorithms: readonly AdminAlgorithm[], path: string): readonly AdminKey[] {
  const set = parseSet(text, path);
  const keys = set.map((jwk, at) => keyOfSet(jwk, algorithms, `${path}: keys[${at}]`));
  if (keys.length === 0) throw misconfigured(path, "holds no key");
  if (new Set(keys.map(({ kid }) => kid)).size !== keys.length)
    throw misconfigured(path, "holds two keys of one kid");
  return keys;
}

function parseSet(text: string, path: string): readonly JsonValue[] {
  try {
    const set = readJson(text);
    const keys = isObject(set) ? member(set, "keys") : undefined;
    if (isArray(keys)) return keys;
  } catch (error) {
    throw misconfigured(path, "is not JSON", error);
  }
  throw misconfigured(path, 'is not a JWK set: the member "keys" is missing');
}

function keyOfSet(jwk: JsonValue, algorithms: readonly AdminAlgorithm[], path: string): AdminKey {
  if (!isObject(jwk)) throw misconfigured(path, "is not a JWK");
  const kid = member(jwk, "kid");
  if (typeof kid !== "string" || kid === "") throw misconfigured(path, 'needs a "kid"');
  if (member(jwk, "d") !== undefined || member(jwk, "k") !== undefined)
    throw misconfigured(path, "holds a private or symmetric key");
  const named = member(jwk, "alg");
  const allowed = named === undefined ? algorithms : algorithms.filter((algorithm) => algorithm === named);
  return keyFor(importJwk(jwk, path), kid, allowed, path);
}

function importJwk(jwk: JsonObject, path: string): KeyObject {
  try {
    // Only the members of a public key: what else a JWK holds must not matter.
    const plain: Record<string, string> = {};
    for (const name of ["kty", "crv", "x", "y", "n", "e"]) {
      const value = member(jwk, name);
      if (typeof value === "string") plain[name] = value;
    }
    return createPublicKey({ key: plain, format: "jwk" });
  } catch (error) {
    throw misconfigured(path, "is not a usable public key", error);
  }
}

const MINIMUM_RSA_BITS = 2048;

function keyFor(
  key: KeyObject,
  kid: string | undefined,
  algorithms: readonly AdminAlgorithm[],
  path: string,
): AdminKey {
  const usable = algorithms.filter((algorithm) => FITS[algorithm](key));
  if (usable.length === 0) throw misconfigured(path, "is a key that none of the allowed algorithms can use");
  return { kid, key, algorithms: usable };
}

const isRsa = (key: KeyObject): boolean =>
  key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MINIMUM_RSA_BITS;
const isCurve = (curve: string) => (key: KeyObject) =>
  key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === curve;

const FITS: Readonly<Record<AdminAlgorithm, (key: KeyObject) => boolean>> = {
  EdDSA: (key) => key.asymmetricKeyType === "ed25519",
  ES256: isCurve("prime256v1"),
  ES384: isCurve("secp384r1"),
  RS256: isRsa,
  PS256: isRsa,
  PS384: isRsa,
};

function misconfigured(path: string, reason: string, cause?: unknown): KbsError {
  return new KbsError("internal", `${path} ${reason}.`, cause === undefined ? {} : { cause });
}
