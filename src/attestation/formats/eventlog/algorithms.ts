import { hasDigest } from "../../../crypto/digest.ts";

/** Hash algorithms of register banks, by the name this project uses (OpenSSL's). */
export type HashName = "sha1" | "sha256" | "sha384" | "sha512" | "sm3" | "sha3-256" | "sha3-384" | "sha3-512";

export interface HashAlgorithm {
  /** TPM_ALG_ID (TCG Algorithm Registry, TPM 2.0 Part 2 §6.3). */
  readonly id: number;
  readonly name: HashName;
  /** Bytes of one digest. */
  readonly size: number;
  /** How claims that policies of the field read spell it. */
  readonly claimName: string;
}

export const HASH_ALGORITHMS: readonly HashAlgorithm[] = [
  { id: 0x0004, name: "sha1", size: 20, claimName: "SHA-1" },
  { id: 0x000b, name: "sha256", size: 32, claimName: "SHA-256" },
  { id: 0x000c, name: "sha384", size: 48, claimName: "SHA-384" },
  { id: 0x000d, name: "sha512", size: 64, claimName: "SHA-512" },
  { id: 0x0012, name: "sm3", size: 32, claimName: "SM3" },
  { id: 0x0027, name: "sha3-256", size: 32, claimName: "SHA3-256" },
  { id: 0x0028, name: "sha3-384", size: 48, claimName: "SHA3-384" },
  { id: 0x0029, name: "sha3-512", size: 64, claimName: "SHA3-512" },
];

const BY_ID = new Map(HASH_ALGORITHMS.map((algorithm) => [algorithm.id, algorithm]));
const BY_NAME = new Map<string, HashAlgorithm>(
  HASH_ALGORITHMS.map((algorithm) => [algorithm.name, algorithm]),
);
const AVAILABLE = new Map<HashName, boolean>();

/** @param id - TPM_ALG_ID */
export function hashById(id: number): HashAlgorithm | undefined {
  return BY_ID.get(id);
}

/** Reads the spellings of the field: `sha256`, `SHA-256`, `sha-256`, `SM3_256`. */
export function hashByName(name: string): HashAlgorithm | undefined {
  const plain = name.toLowerCase().replace(/^sha-?(1|256|384|512)$/, "sha$1");
  return BY_NAME.get(plain === "sm3_256" || plain === "sm3-256" ? "sm3" : plain.replace(/^sha3_/, "sha3-"));
}

export function hashOf(name: HashName): HashAlgorithm {
  const algorithm = BY_NAME.get(name);
  if (algorithm === undefined) throw new RangeError(`no hash algorithm ${name}`);
  return algorithm;
}

/** Whether registers of this bank can be replayed here. */
export function isAvailable(name: HashName): boolean {
  let available = AVAILABLE.get(name);
  if (available === undefined) {
    available = hasDigest(name);
    AVAILABLE.set(name, available);
  }
  return available;
}
