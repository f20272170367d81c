import { describe, expect, test } from "@jest/globals";
import { BudgetError, BuiltinError } from "../../../../src/policy/rego/errors.ts";
import {
  add,
  bitLength,
  divide,
  MAX_INTEGER_BITS,
  multiply,
  parseNumber,
  remainder,
  subtract,
} from "../../../../src/policy/rego/numbers.ts";

const MAX = Number.MAX_SAFE_INTEGER;

describe("integers are exact at any size and have one representation", () => {
  test.each([
    [add(MAX, 1), 9007199254740992n],
    [subtract(9007199254740992n, 1), MAX],
    [subtract(-MAX, 2), -9007199254740993n],
    [multiply(MAX, MAX), 81129638414606663681390495662081n],
    [multiply(-1, 0), 0],
    [divide(2n ** 70n, 2n ** 69n), 2],
    [divide(6, 3), 2],
    [divide(2n ** 60n, 2), 2n ** 59n],
    [remainder(-7, 3), -1],
    [remainder(7, -3), 1],
    [remainder(-6, 3), 0],
    [remainder(2n ** 64n, 10), 6],
    [add(2n ** 64n, -(2n ** 64n)), 0],
  ])("%#", (actual, expected) => {
    expect(actual).toBe(expected);
    expect(Object.is(actual, -0)).toBe(false);
  });
});

describe("fractions are doubles", () => {
  test.each([
    [divide(1, 3), 1 / 3],
    [add(0.1, 0.2), 0.30000000000000004],
    [subtract(0.5, 0.5), 0],
    [add(2n ** 60n, 0.5), 2n ** 60n],
    [divide(10n ** 400n, 3n * 10n ** 400n), 1 / 3],
    [divide(1, 2n ** 1000n), 2 ** -1000],
    [multiply(-0.5, 0), 0],
  ])("%#", (actual, expected) => {
    expect(actual).toBe(expected);
  });
});

test("division by zero and the remainder of a fraction are errors of the built-in", () => {
  for (const compute of [() => divide(1, 0), () => remainder(1, 0), () => remainder(1.5, 1)])
    expect(compute).toThrow(BuiltinError);
  expect(remainder(4, 3)).toBe(1);
});

test("no result is larger than the bit limit", () => {
  const large = 1n << BigInt(MAX_INTEGER_BITS - 1);
  expect(() => multiply(large, 2)).toThrow(BudgetError);
  expect(() => add(large, large)).toThrow(BudgetError);
  expect(() => multiply(1.5, 10n ** 400n)).toThrow(BudgetError);
});

describe("number text", () => {
  test.each([
    ["0", 0],
    ["-0", 0],
    ["-0.0e5", 0],
    ["1.0", 1],
    ["1e0", 1],
    ["1.50e1", 15],
    ["100e-2", 1],
    ["1e20", 100000000000000000000n],
    ["9007199254740992", 9007199254740992n],
    ["9007199254740991", MAX],
    ["-9007199254740992", -9007199254740992n],
    [".5", 0.5],
    ["-.5", -0.5],
    ["1e-7", 1e-7],
    ["9007199254740993.5", 9007199254740994n],
  ])("%s", (text, expected) => {
    expect(parseNumber(text)).toBe(expected);
  });

  test.each([
    "",
    "-",
    ".",
    "1.",
    "+1",
    "1e",
    "1e+",
    "1x",
    " 1",
    "1 ",
    "0x1",
    "1_0",
    "--1",
    "1.2.3",
    "Infinity",
  ])("%j is none", (text) => {
    expect(parseNumber(text)).toBeUndefined();
  });

  test.each(["1e5000", "1".repeat(5000), "1e999999999999"])("%# is too long", (text) => {
    expect(() => parseNumber(text)).toThrow(BudgetError);
  });
});

test("bit length", () => {
  expect([0n, 1n, -1n, 255n, 256n, 2n ** 64n].map(bitLength)).toEqual([0, 1, 1, 8, 9, 65]);
});
