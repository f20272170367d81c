import { constants, type KeyObject, verify } from "node:crypto";

/** Signature algorithms a token may have (RFC 7518 §3.1, RFC 8037). None is symmetric, `none` is not among them. */
export const TOKEN_ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

interface AlgorithmRow {
  readonly fits: (key: KeyObject) => boolean;
  readonly verify: (data: Buffer, key: KeyObject, signature: Buffer) => boolean;
}

const MIN_RSA_BITS = 2048;

const TABLE: Readonly<Record<TokenAlgorithm, AlgorithmRow>> = {
  ES256: ecdsa("prime256v1", "sha256"),
  ES384: ecdsa("secp384r1", "sha384"),
  ES512: ecdsa("secp521r1", "sha512"),
  EdDSA: {
    fits: (key) => key.asymmetricKeyType === "ed25519",
    verify: (data, key, signature) => verify(null, data, key, signature),
  },
  RS256: pkcs1("sha256"),
  RS384: pkcs1("sha384"),
  RS512: pkcs1("sha512"),
  PS256: pss("sha256", 32),
  PS384: pss("sha384", 48),
  PS512: pss("sha512", 64),
};

/** A public key with the one algorithm it is used with. A token's own `alg` can only agree. */
export interface VerificationKey {
  /** `undefined`: used whatever `kid` a token names. */
  readonly kid: string | undefined;
  readonly algorithm: TokenAlgorithm;
  readonly key: KeyObject;
  /** Milliseconds since the epoch after which nothing may rest on this key: the end of its certificate. */
  readonly notAfter?: number;
}

/** @returns `undefined` for anything that is not in the table, `none` and HMAC among it */
export function asTokenAlgorithm(name: unknown): TokenAlgorithm | undefined {
  return TOKEN_ALGORITHMS.find((algorithm) => algorithm === name);
}

/** Whether `key` is of the type, curve and size that `algorithm` is defined for. */
export function keyFits(algorithm: TokenAlgorithm, key: KeyObject): boolean {
  return key.type === "public" && TABLE[algorithm].fits(key);
}

/** Verifies with the algorithm that was configured for the key; the token has no say in it. */
export function verifySignature(key: VerificationKey, data: Buffer, signature: Buffer): boolean {
  return keyFits(key.algorithm, key.key) && TABLE[key.algorithm].verify(data, key.key, signature);
}

function ecdsa(namedCurve: string, hash: string): AlgorithmRow {
  return {
    fits: (key) => key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === namedCurve,
    verify: (data, key, signature) => verify(hash, data, { key, dsaEncoding: "ieee-p1363" }, signature),
  };
}

function pkcs1(hash: string): AlgorithmRow {
  const padding = constants.RSA_PKCS1_PADDING;
  return { fits: isRsa, verify: (data, key, signature) => verify(hash, data, { key, padding }, signature) };
}

function pss(hash: string, saltLength: number): AlgorithmRow {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return {
    fits: isRsa,
    verify: (data, key, signature) => verify(hash, data, { key, padding, saltLength }, signature),
  };
}

function isRsa(key: KeyObject): boolean {
  return key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;
}
