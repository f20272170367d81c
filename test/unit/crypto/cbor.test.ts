import { describe, expect, test } from "@jest/globals";
import {
  CborError,
  type CborLimits,
  CborTag,
  type CborValue,
  decodeCbor,
  decodeCborSequence,
  encodeCbor,
} from "../../../src/crypto/cbor.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const decoded = (text: string, limits?: CborLimits) => decodeCbor(hex(text), limits);

/** RFC 8949 appendix A, the rows whose kind has a use here. */
const APPENDIX_A: readonly (readonly [string, CborValue])[] = [
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["1bffffffffffffffff", 18_446_744_073_709_551_615n],
  ["3bffffffffffffffff", -18_446_744_073_709_551_616n],
  ["20", -1],
  ["3903e7", -1000],
  ["f93e00", 1.5],
  ["fb3ff199999999999a", 1.1],
  ["f5", true],
  ["f6", null],
  ["4401020304", hex("01020304")],
  ["6449455446", "IETF"],
  ["62c3bc", "ü"],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    "a26161016162820203",
    new Map<string, CborValue>([
      ["a", 1],
      ["b", [2, 3]],
    ]),
  ],
];

describe("cbor", () => {
  test.each(APPENDIX_A)("reads %s and writes it again", (text, value) => {
    expect(decoded(text)).toEqual(value);
    expect(encodeCbor(value).toString("hex")).toBe(text);
  });

  test("keeps 64-bit integers exact on both sides of 2^53", () => {
    expect(decoded("1b001fffffffffffff")).toBe(Number.MAX_SAFE_INTEGER);
    expect(decoded("1b0020000000000000")).toBe(2n ** 53n);
    expect(encodeCbor(2n ** 53n).toString("hex")).toBe("1b0020000000000000");
    expect(encodeCbor(7n).toString("hex")).toBe("07");
  });

  test("gives tags no meaning, bignums and dates among them", () => {
    expect(decoded("c249010000000000000000")).toEqual(new CborTag(2, hex("010000000000000000")));
    expect(decoded("c11a514b67b0")).toEqual(new CborTag(1, 1_363_896_240));
    expect(encodeCbor(new CborTag(18, [hex("01"), new Map(), null])).toString("hex")).toBe("d2834101a0f6");
  });

  test("writes maps in the order of their keys' bytes, whatever order they were given in", () => {
    const map = new Map<string | number, CborValue>([
      ["b", 1],
      [-1, 2],
      [10, 3],
      ["a", 4],
    ]);
    expect(encodeCbor(map).toString("hex")).toBe("a40a0320026161046162" + "01");
  });

  test("writes Buffers as byte strings", () => {
    expect(encodeCbor([Buffer.from("ab")]).toString("hex")).toBe("81426162");
  });

  test.each([
    ["a key twice", "a201020103"],
    ["a key twice, once in a longer form", "a20102180103"],
    ["a text key twice", "a2616101616102"],
    ["a float as key, even a whole one", "a1f93c0001"],
    ["a byte string as key", "a1410101"],
    ["an array as key", "a18001"],
    ["a tag as key", "a1c10001"],
    ["a boolean as key", "a1f501"],
    ["undefined", "f7"],
    ["an unassigned simple value", "e0"],
    ["text that is not UTF-8", "61ff"],
    ["nothing at all", ""],
    ["something behind the item", "0000"],
    ["a missing item", "8201"],
    ["a missing value", "a101"],
    ["a tag without content", "c1"],
    ["a break on its own", "ff"],
    ["an array of indefinite length", "9f01ff"],
    ["a byte string of indefinite length", "5f4101ff"],
    ["a length of more than there is", "5b00000001000000000000"],
    ["an array of 2^64-1 items", "9bffffffffffffffff"],
    ["a map of 2^64-1 entries", "bbffffffffffffffff"],
    ["reserved length bits", "1c"],
  ])("refuses %s", (_, text) => {
    expect(() => decoded(text)).toThrow(CborError);
  });

  test("accepts indefinite lengths where a format allows them, with the same rules inside", () => {
    expect(decoded("9f01ff", { allowIndefinite: true })).toEqual([1]);
    expect(decoded("bf0102ff", { allowIndefinite: true })).toEqual(new Map([[1, 2]]));
    expect(() => decoded("bf01020103ff", { allowIndefinite: true })).toThrow(CborError);
  });

  test("bounds size, depth and the number of maps", () => {
    expect(() => decoded("4101", { maxBytes: 1 })).toThrow(CborError);
    for (const container of ["81", "a101", "c1"]) {
      const nested = (depth: number) => `${container.repeat(depth)}01`;
      expect(encodeCbor(decoded(nested(5), { maxDepth: 5 })).toString("hex")).toBe(nested(5));
      expect(() => decoded(nested(6), { maxDepth: 5 })).toThrow(CborError);
      expect(() => decoded(nested(100_000))).toThrow(CborError);
    }
    expect(() => decoded("82a0a0", { maxMaps: 1 })).toThrow(CborError);
    expect(decoded("82a0a0", { maxMaps: 2 })).toEqual([new Map(), new Map()]);
  });

  test("counts items where that is asked for, whatever kind they are of, and nothing inside of strings", () => {
    // An array of six: 0, 2^32-1, two bytes, 24 letters, a tag around null, and a map of one. Ten heads.
    const text = `86001affffffff4280807818${"61".repeat(24)}c1f6a101f93c00`;
    expect(decoded(text, { maxItems: 10 })).toHaveLength(6);
    expect(() => decoded(text, { maxItems: 9 })).toThrow(new CborError("more than 9 items"));
    const long = `5901f4${"80".repeat(500)}`;
    expect(decoded(long, { maxItems: 1 })).toHaveLength(500);
    for (const lying of ["5bffffffffffffffff", "7b7fffffffffffffff", "9bffffffffffffffff", "18"])
      expect(() => decoded(lying, { maxItems: 5 })).toThrow(CborError);
  });

  test("keeps names that mean something to JavaScript as plain keys", () => {
    const value = decoded("a1695f5f70726f746f5f5f01");
    expect(value).toEqual(new Map([["__proto__", 1]]));
  });

  test("reads sequences item by item, and refuses a broken last one", () => {
    expect(decodeCborSequence(hex("01820203a0"))).toEqual([1, [2, 3], new Map()]);
    expect(decodeCborSequence(new Uint8Array())).toEqual([]);
    expect(() => decodeCborSequence(hex("0182"))).toThrow(CborError);
  });
});
