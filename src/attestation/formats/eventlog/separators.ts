import { digestHex } from "../../../crypto/digest.ts";
import type { HashName } from "./algorithms.ts";

/** Zeros and ones are firmware's; Windows closes its own registers with letters; one in the first byte is an error. */
const VALUES = [Buffer.alloc(4), Buffer.alloc(4, 0xff), Buffer.from("WBCL"), Buffer.from([1, 0, 0, 0])];

const DIGESTS = new Map<HashName, ReadonlySet<string>>();

/**
 * Whether a digest is that of a separator. An event's type is not part of its digest, so the type says nothing: whoever
 * sends a log could call the separator something else, and pass for firmware what was measured behind it.
 */
export function isSeparatorDigest(digest: string, algorithm: HashName): boolean {
  let digests = DIGESTS.get(algorithm);
  if (digests === undefined) {
    digests = new Set(VALUES.map((value) => digestHex(algorithm, value)));
    DIGESTS.set(algorithm, digests);
  }
  return digests.has(digest);
}

export function isGoodSeparator(data: Buffer): boolean {
  return VALUES.slice(0, 3).some((value) => value.equals(data));
}
