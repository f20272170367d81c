import type { BigIntStats } from "node:fs";
import { LRUCache } from "lru-cache";

/** What tells one content of a file from the next, without reading it. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

interface Recent {
  readonly identity: FileIdentity;
  readonly value: Uint8Array;
  /** Milliseconds; the file was this one then. */
  checkedAt: number;
}

/** Time stamps of files advance in steps of a few milliseconds; a younger file might change without a trace. */
const SETTLED_NANOSECONDS = 1_000_000_000n;
/** What an entry costs beside its value. */
const OVERHEAD_BYTES = 512;

/**
 * Secrets read a moment ago. Opening, reading and checking a file costs more than all cryptography of a
 * release; looking whether it is still the same file costs a tenth. What leaves is overwritten.
 */
export class RecentValues {
  readonly #values: LRUCache<string, Recent> | undefined;

  /** @param maxBytes - 0 keeps nothing */
  constructor(maxBytes: number) {
    if (maxBytes <= 0) return;
    this.#values = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ value }) => value.length + OVERHEAD_BYTES,
      dispose: ({ value }) => value.fill(0),
    });
  }

  /** A copy of the value if its file was looked at since then. @param since - milliseconds */
  checkedSince(name: string, since: number): Uint8Array | undefined {
    const found = this.#values?.get(name);
    return found === undefined || found.checkedAt < since ? undefined : Uint8Array.from(found.value);
  }

  /**
   * A copy of the value that was read from the very file that `status` describes.
   *
   * @param at - milliseconds, not after the moment the file was described
   */
  get(name: string, status: FileIdentity, at: number): Uint8Array | undefined {
    const found = this.#values?.get(name);
    if (found === undefined || !sameFile(found.identity, status)) return undefined;
    found.checkedAt = Math.max(found.checkedAt, at);
    return Uint8Array.from(found.value);
  }

  /** @param at - milliseconds since the epoch, not after the moment the file was described */
  remember(name: string, identity: FileIdentity, value: Uint8Array, at: number): void {
    if (BigInt(Math.floor(at)) * 1_000_000n - identity.ctimeNs < SETTLED_NANOSECONDS) return;
    this.#values?.set(name, { identity, value: Uint8Array.from(value), checkedAt: at });
  }

  forget(name: string): void {
    this.#values?.delete(name);
  }

  clear(): void {
    this.#values?.clear();
  }
}

export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return { dev, ino, size, mtimeNs, ctimeNs };
}

function sameFile(left: FileIdentity, right: FileIdentity): boolean {
  return (
    left.ino === right.ino &&
    left.ctimeNs === right.ctimeNs &&
    left.mtimeNs === right.mtimeNs &&
    left.size === right.size &&
    left.dev === right.dev
  );
}
