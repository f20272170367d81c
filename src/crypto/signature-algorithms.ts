import { constants, type KeyObject, sign, verify } from "node:crypto";

/** Signature algorithms by their JOSE names (RFC 7518 §3.1, RFC 8037). None is symmetric, `none` is not among them. */
export const SIGNATURE_ALGORITHMS = [
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
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

type Options = Readonly<Record<string, unknown>>;

interface AlgorithmRow {
  readonly fits: (key: KeyObject) => boolean;
  /** `null`: the algorithm hashes by itself. */
  readonly hash: string | null;
  /** What `node:crypto` is told beside the key. */
  readonly options: Options;
}

const MIN_RSA_BITS = 2048;
const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants;

const TABLE: Readonly<Record<SignatureAlgorithm, AlgorithmRow>> = {
  ES256: ecdsa("prime256v1", "sha256"),
  ES384: ecdsa("secp384r1", "sha384"),
  ES512: ecdsa("secp521r1", "sha512"),
  EdDSA: { fits: ({ asymmetricKeyType }) => asymmetricKeyType === "ed25519", hash: null, options: {} },
  RS256: rsa("sha256", { padding: RSA_PKCS1_PADDING }),
  RS384: rsa("sha384", { padding: RSA_PKCS1_PADDING }),
  RS512: rsa("sha512", { padding: RSA_PKCS1_PADDING }),
  PS256: rsa("sha256", { padding: RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  PS384: rsa("sha384", { padding: RSA_PKCS1_PSS_PADDING, saltLength: 48 }),
  PS512: rsa("sha512", { padding: RSA_PKCS1_PSS_PADDING, saltLength: 64 }),
};

/** @returns `undefined` for anything that is not in the table, `none` and HMAC among it */
export function asSignatureAlgorithm(name: unknown): SignatureAlgorithm | undefined {
  return SIGNATURE_ALGORITHMS.find((algorithm) => algorithm === name);
}

/** Whether `key` is of the type, curve and size that `algorithm` is defined for. */
export function fitsAlgorithm(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
  return key.type !== "secret" && TABLE[algorithm].fits(key);
}

/**
 * Verifies with the algorithm that the caller fixed; a key that does not fit it verifies nothing.
 * @param signature - as JOSE and COSE carry it: ECDSA is r and s, each as long as the field
 */
export function verifyWith(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (key.type !== "public" || !fitsAlgorithm(algorithm, key)) return false;
  const { hash, options } = TABLE[algorithm];
  return verify(hash, data, { ...options, key }, signature);
}

/**
 * @param key - private
 * @returns as JOSE and COSE carry it
 * @throws TypeError when the key does not fit the algorithm
 */
export function signWith(algorithm: SignatureAlgorithm, key: KeyObject, data: Uint8Array): Buffer {
  if (key.type !== "private" || !fitsAlgorithm(algorithm, key))
    throw new TypeError(`the key does not fit ${algorithm}`);
  const { hash, options } = TABLE[algorithm];
  return sign(hash, data, { ...options, key });
}

function ecdsa(namedCurve: string, hash: string): AlgorithmRow {
  return {
    fits: (key) => key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === namedCurve,
    hash,
    options: { dsaEncoding: "ieee-p1363" },
  };
}

function rsa(hash: string, options: Options): AlgorithmRow {
  return { fits: isRsa, hash, options };
}

function isRsa(key: KeyObject): boolean {
  return key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;
}
