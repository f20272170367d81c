import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { ObjectBuilder, RArray, RSet } from "../../src/policy/rego/collections.ts";
import { compare, compareText, equal, key } from "../../src/policy/rego/compare.ts";
import { BudgetError } from "../../src/policy/rego/errors.ts";
import { fromJson, JsonTextError, marshalJson, parseJson, toJson } from "../../src/policy/rego/json.ts";
import {
  add,
  divide,
  multiply,
  type Num,
  parseNumber,
  remainder,
  subtract,
} from "../../src/policy/rego/numbers.ts";
import { isNormal, numbers, values } from "../support/rego-arbitraries.ts";
import { outcome } from "../support/rego-builtins.ts";

describe("order", () => {
  test("is antisymmetric, and agrees with equality and keys", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        expect(compare(a, b)).toBe(0 - compare(b, a) || 0);
        expect(compare(a, b) === 0).toBe(equal(a, b));
        expect(equal(a, b)).toBe(key(a) === key(b));
      }),
      { numRuns: 2000 },
    );
  });

  test("is transitive", () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 3, maxLength: 6 }), (list) => {
        const sorted = [...list].sort(compare);
        for (const [i, a] of sorted.entries())
          for (const b of sorted.slice(i)) expect(compare(a, b)).toBeLessThanOrEqual(0);
      }),
    );
  });

  test("of text is the order of its UTF-8 bytes", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(compareText(a, b)).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });
});

describe("collections", () => {
  test("a set holds what was added, once and in order", () => {
    fc.assert(
      fc.property(fc.array(values), (list) => {
        const set = RSet.of(list);
        for (const item of list) expect(set.has(item)).toBe(true);
        const members = set.members();
        for (const [at, member] of members.slice(1).entries())
          expect(compare(members[at] ?? null, member)).toBe(-1);
        expect(equal(set, RSet.of([...list].reverse()))).toBe(true);
      }),
    );
  });

  test("an object gives the last value set under a key", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(values, values)), (pairs) => {
        const builder = new ObjectBuilder();
        for (const [name, member] of pairs) builder.set(name, member);
        const object = builder.build();
        const last = new Map(pairs.map(([name, member]) => [key(name), member]));
        expect(object.size).toBe(last.size);
        for (const name of object.keys()) expect(object.get(name)).toBe(last.get(key(name)));
      }),
    );
  });
});

describe("JSON", () => {
  const documents = fc.jsonValue({ maxDepth: 6 });

  test("reading what was written gives the same document", () => {
    fc.assert(
      fc.property(documents, (document) => {
        const value = fromJson(document);
        expect(equal(parseJson(marshalJson(value)), value)).toBe(true);
        expect(equal(fromJson(toJson(value)), value)).toBe(true);
      }),
    );
  });

  test("agrees with the platform's reader except for large integers and lone surrogates", () => {
    fc.assert(
      fc.property(documents, (document) => {
        const text = JSON.stringify(document);
        fc.pre(!text.includes("\\ud") && !/\d{16}|e\+/.test(text));
        expect(equal(parseJson(text), fromJson(JSON.parse(text)))).toBe(true);
      }),
    );
  });

  test("no text crashes the reader", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(fc.constantFrom(...'{}[]",:0.eE-+ tfn\\u')).map((l) => l.join("")),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          parseJson(source);
        } catch (error) {
          expect(error instanceof JsonTextError || error instanceof BudgetError).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("numbers", () => {
  const operations: readonly ((a: Num, b: Num) => Num)[] = [add, subtract, multiply, divide, remainder];

  test("every result has its one representation", () => {
    fc.assert(
      fc.property(numbers, numbers, fc.constantFrom(...operations), (a, b, operation) => {
        outcome(() => {
          const result = operation(a, b);
          expect(isNormal(result)).toBe(true);
          return result;
        });
      }),
      { numRuns: 5000 },
    );
  });

  test("integers follow bigint arithmetic", () => {
    const integers = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n });
    fc.assert(
      fc.property(integers, integers, (a, b) => {
        const [x, y] = [parseNumber(String(a)) ?? 0, parseNumber(String(b)) ?? 0];
        expect(BigInt(add(x, y))).toBe(a + b);
        expect(BigInt(subtract(x, y))).toBe(a - b);
        expect(BigInt(multiply(x, y))).toBe(a * b);
        if (b !== 0n) expect(BigInt(remainder(x, y))).toBe(a % b);
        if (b !== 0n) expect(divide(multiply(x, y), y)).toBe(x);
      }),
    );
  });

  test("the text of a double reads back as the same number", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -(2 ** 53), max: 2 ** 53 }), (double) => {
        const number = fromJson(double);
        expect(parseNumber(String(double))).toBe(number);
        expect(isNormal(number)).toBe(true);
      }),
    );
  });
});

test("arrays share nothing with their source once built", () => {
  fc.assert(
    fc.property(fc.array(values), (list) => {
      const array = RArray.of([...list]);
      expect(array.length).toBe(list.length);
      expect([...array]).toEqual(list);
    }),
  );
});
