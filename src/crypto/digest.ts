import crypto from "node:crypto";

/**
 * One-shot digest as lower-case hex. Logs are hashed a million times in a row: `crypto.hash` (Node 20.12 and later)
 * with text output costs a third of `createHash`, and a Buffer per digest would cost more than the hashing.
 *
 * @param algorithm - OpenSSL's name, say `sha256`
 * @throws Error when this OpenSSL does not have the algorithm
 */
export const digestHex: (algorithm: string, data: Uint8Array) => string =
  // An older Node has no such function, whatever its types say.
  (crypto.hash as typeof crypto.hash | undefined) === undefined
    ? (algorithm, data) => crypto.createHash(algorithm).update(data).digest("hex")
    : (algorithm, data) => crypto.hash(algorithm, data, "hex");

/** The same as text of one character per byte (Latin-1): the cheapest form to write into a buffer. */
export const digestLatin1: (algorithm: string, data: Uint8Array) => string =
  (crypto.hash as typeof crypto.hash | undefined) === undefined
    ? (algorithm, data) => crypto.createHash(algorithm).update(data).digest("binary")
    : (algorithm, data) => crypto.hash(algorithm, data, "binary");

/** Whether this OpenSSL has the algorithm; SM3 is left out of some builds. */
export function hasDigest(algorithm: string): boolean {
  return crypto.getHashes().includes(algorithm);
}
