import { describe, expect, test } from "@jest/globals";
import { createRandomPool } from "../../../src/sessions/random-pool.ts";

describe("random pool", () => {
  test("never gives a byte twice and never one that was not filled", () => {
    let next = 0;
    const random = createRandomPool((pool) => {
      for (let at = 0; at < pool.length; at += 4) pool.writeUInt32LE(next++, at);
    });
    const words: number[] = [];
    for (let draw = 0; draw < 2000; draw++) {
      const bytes = Buffer.from(random(12));
      expect(bytes).toHaveLength(12);
      words.push(bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8));
    }
    expect(new Set(words).size).toBe(words.length);
  });

  test("what was drawn is the caller's alone and is wiped from the pool", () => {
    let pool: Buffer = Buffer.alloc(0);
    const random = createRandomPool((filled) => {
      pool = filled.fill(0xaa);
    });
    const drawn = random(32);
    expect(pool.subarray(0, 32)).toEqual(Buffer.alloc(32));
    pool.fill(0xbb);
    expect(Buffer.from(drawn)).toEqual(Buffer.alloc(32, 0xaa));
  });

  test("A1 draws from the system's generator", () => {
    const random = createRandomPool();
    const draws = new Set(Array.from({ length: 1000 }, () => Buffer.from(random(16)).toString("hex")));
    expect(draws.size).toBe(1000);
    expect(draws.has("0".repeat(32))).toBe(false);
  });

  test("refuses more than it holds", () => {
    expect(() => createRandomPool()(5000)).toThrow(RangeError);
  });
});
