import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { readPem } from "../crypto/pem.ts";
import { signWith } from "../crypto/signature-algorithms.ts";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonObject } from "../json/value.ts";
import { isObject } from "../json/write.ts";
import { keyFits, type VerificationKey } from "./algorithms.ts";
import { jwkThumbprint, publicJwkOf } from "./jwk.ts";

/** Algorithms that tokens are signed with here; every COSE and JOSE library knows them. */
export const SIGNING_ALGORITHMS = ["ES256", "ES384", "EdDSA"] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** What relying parties learn of a signing key. */
export interface PublicSigningKey {
  readonly algorithm: SigningAlgorithm;
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  /** As published: `kty crv x y alg kid use`, and `x5c` and `x5u` when there is a certificate chain. */
  readonly publicJwk: JsonObject;
  readonly verificationKey: VerificationKey;
  /** DER certificates, leaf first; empty when there are none. */
  readonly chain: readonly Buffer[];
}

/**
 * Signs attestation tokens with one key, which may rest in this process or in a machine of its own: whoever asks
 * waits for an answer and gives a signal that ends the waiting.
 */
export interface TokenSigner extends PublicSigningKey {
  /**
   * @param data - what is signed: the JWS signing input, or the COSE Sig_structure
   * @returns as JOSE and COSE carry it; for ECDSA r and s of fixed width (RFC 7518 §3.4)
   * @throws KbsError `signer-unavailable`
   */
  sign(data: Buffer, signal: AbortSignal): Promise<Buffer>;
}

/** Certificates of a signing key. */
export interface SignerChain {
  /** DER, leaf first; the leaf must be for the key. */
  readonly certificates: readonly Buffer[];
  /** Where others can fetch them: `x5u`. */
  readonly url?: string | undefined;
}

/**
 * The public side of a signing key.
 * @throws TypeError when the key does not fit the algorithm, or the leaf is for another key
 */
export function publicSigningKey(
  key: KeyObject,
  algorithm: SigningAlgorithm = "ES256",
  chain: SignerChain = { certificates: [] },
): PublicSigningKey {
  if (!keyFits(algorithm, key)) throw new TypeError(`the signing key does not fit ${algorithm}`);
  const [leaf] = chain.certificates;
  if (leaf !== undefined && !new X509Certificate(leaf).publicKey.equals(key))
    throw new TypeError("the first certificate is not for the signing key");
  const bare = publicJwkOf(key);
  const kid = jwkThumbprint(bare);
  const x5c = chain.certificates.map((der) => der.toString("base64"));
  const certified = { ...(chain.url === undefined ? {} : { x5u: chain.url }), x5c };
  return {
    algorithm,
    kid,
    publicJwk: { ...bare, alg: algorithm, kid, use: "sig", ...(x5c.length === 0 ? {} : certified) },
    verificationKey: { kid, algorithm, key },
    chain: chain.certificates,
  };
}

/**
 * A signer whose key is in this process's memory.
 * @throws TypeError when the key does not fit the algorithm, or the leaf is for another key
 */
export function createSigner(
  privateKey: KeyObject,
  algorithm: SigningAlgorithm = "ES256",
  chain?: SignerChain,
): TokenSigner {
  const publicKey = publicSigningKey(createPublicKey(privateKey), algorithm, chain);
  return { ...publicKey, sign: async (data) => signWith(algorithm, privateKey, data) };
}

/**
 * A private key from a file's text.
 * @param text - PEM (PKCS#8 or SEC 1, not encrypted) or a private JWK
 * @throws TypeError
 */
export function privateKeyFrom(text: string): KeyObject {
  const jwk = text.trimStart().startsWith("{") ? jwkIn(text) : undefined;
  try {
    return jwk === undefined ? createPrivateKey(text) : createPrivateKey({ key: jwk, format: "jwk" });
  } catch (cause) {
    throw new TypeError("the signing key is not an unencrypted private key in PEM or JWK form", { cause });
  }
}

function jwkIn(text: string): Record<string, string> | undefined {
  try {
    const jwk = readJson(text);
    if (!isObject(jwk)) return undefined;
    const members = Object.entries(jwk).filter((entry): entry is [string, string] => {
      return typeof entry[1] === "string";
    });
    return Object.fromEntries(members);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

/**
 * Certificates of a PEM text, in its order.
 * @throws TypeError when there is none
 */
export function certificatesOf(pem: string): readonly Buffer[] {
  const chain = readPem(pem)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ der }) => der);
  if (chain.length === 0) throw new TypeError("the certificate chain holds no PEM certificate");
  return chain;
}
