import { randomFillSync } from "node:crypto";

const POOL_BYTES = 4096;

/**
 * Random bytes for ids, challenges and cipher nonces, drawn from the system's generator a pool at a time: asking
 * for each few bytes costs more than everything else in a challenge. What was handed out is wiped from the pool.
 * Not for keys, which deserve a draw of their own.
 */
export function createRandomPool(
  fill: (pool: Buffer) => unknown = randomFillSync,
): (bytes: number) => Uint8Array {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return (bytes) => {
    if (bytes > POOL_BYTES) throw new RangeError("more bytes than the pool holds");
    if (used + bytes > POOL_BYTES) {
      fill(pool);
      used = 0;
    }
    const drawn = Uint8Array.prototype.slice.call(pool, used, used + bytes);
    pool.fill(0, used, used + bytes);
    used += bytes;
    return drawn;
  };
}
