import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { JsonSyntaxError, readJson } from "../../src/json/read.ts";
import { canonicalJson, writeJson } from "../../src/json/write.ts";

const document = fc.jsonValue({ maxDepth: 5 });

test("whatever JSON.stringify writes, readJson reads as JSON.parse does", () => {
  fc.assert(
    fc.property(document, (value) => {
      const text = JSON.stringify(value);
      expect(writeJson(readJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test("print and parse are inverse, also for integers of any size", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), (n) => {
      const read = readJson(writeJson(n));
      expect(BigInt(String(read))).toBe(n);
    }),
  );
});

test("canonical text does not depend on member order", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.integer()), (object) => {
      const turned = Object.fromEntries(Object.entries(object).reverse());
      expect(canonicalJson(turned)).toBe(canonicalJson(object));
    }),
  );
});

test("any text either reads or is refused with JsonSyntaxError, and agrees with JSON.parse on validity", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({
      unit: fc.constantFrom("{", "}", "[", "]", '"', ",", ":", "1", "-", ".", "e", "\\", "u", " ", "a"),
    }),
  );
  fc.assert(
    fc.property(text, (input) => {
      let ours = true;
      try {
        readJson(input);
      } catch (error) {
        expect(error).toBeInstanceOf(JsonSyntaxError);
        ours = false;
      }
      let theirs = true;
      try {
        JSON.parse(input);
      } catch {
        theirs = false;
      }
      // Ours is the stricter one: duplicates, depth and range.
      if (ours) expect(theirs).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
