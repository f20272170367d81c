import type { KeyObject } from "node:crypto";
import {
  asSignatureAlgorithm,
  fitsAlgorithm,
  SIGNATURE_ALGORITHMS,
  type SignatureAlgorithm,
  verifyWith,
} from "../crypto/signature-algorithms.ts";

/** Signature algorithms a token may have. None is symmetric, `none` is not among them. */
export const TOKEN_ALGORITHMS = SIGNATURE_ALGORITHMS;
export type TokenAlgorithm = SignatureAlgorithm;

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
  return asSignatureAlgorithm(name);
}

/** Whether the public `key` is of the type, curve and size that `algorithm` is defined for. */
export function keyFits(algorithm: TokenAlgorithm, key: KeyObject): boolean {
  return key.type === "public" && fitsAlgorithm(algorithm, key);
}

/** Verifies with the algorithm that was configured for the key; the token has no say in it. */
export function verifySignature(key: VerificationKey, data: Buffer, signature: Buffer): boolean {
  return verifyWith(key.algorithm, key.key, data, signature);
}
