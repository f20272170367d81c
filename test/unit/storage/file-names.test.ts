import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { boundedFileName, decodeFileName, encodeFileName } from "../../../src/storage/file-names.ts";

const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 });

describe("file names", () => {
  test("decode gives back every name", () => {
    fc.assert(fc.property(name, (text) => decodeFileName(encodeFileName(text)) === text));
  });

  test("D2 two names never meet, case folded or not", () => {
    fc.assert(
      fc.property(name, name, (left, right) => {
        fc.pre(left !== right);
        return encodeFileName(left).toLowerCase() !== encodeFileName(right).toLowerCase();
      }),
    );
    expect(encodeFileName("Key")).not.toBe(encodeFileName("key"));
  });

  test("D1 is one plain component, whatever the name", () => {
    const corpus = [
      "..",
      ".",
      "../..",
      "a/b",
      "a\\b",
      "/etc/passwd",
      "\0",
      "C:",
      "nul.",
      ".tmp-1-0011223344556677",
    ];
    for (const text of corpus)
      expect(encodeFileName(text)).toMatch(/^[a-z0-9_=+-](?:[a-z0-9_.=+-]*[a-z0-9_=+-])?$/);
    fc.assert(
      fc.property(name, (text) => /^[a-z0-9_=+-](?:[a-z0-9_.=+-]*[a-z0-9_=+-])?$/.test(encodeFileName(text))),
    );
  });

  test("decode refuses every spelling that encode does not print", () => {
    for (const text of ["", "A", "a.", ".a", "=61", "=2d", "+A", "+", "=", "=ZZ", "a b", "é", "=ff", "=4B"])
      expect(decodeFileName(text)).toBeUndefined();
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."abAB01.+=_-2e4f/ ".split("")), maxLength: 12 }),
        (text) => {
          const decoded = decodeFileName(text);
          return decoded === undefined || encodeFileName(decoded) === text;
        },
      ),
    );
  });

  test("long names are bounded and stay apart from every short one", () => {
    const long = boundedFileName("Ü".repeat(400));
    expect(long.length).toBeLessThan(200);
    expect(long).not.toBe(boundedFileName("Ü".repeat(401)));
    expect(decodeFileName(long)).toBeUndefined();
  });
});
