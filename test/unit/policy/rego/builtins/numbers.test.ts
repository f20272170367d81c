import { describe, expect, test } from "@jest/globals";
import { call, context, type Literal, outcome, run } from "../../../../support/rego-builtins.ts";

type Vector = readonly [string, readonly Literal[], string | undefined];

function vectors(list: readonly Vector[]): void {
  test.each(list)("%s%j is %s", (name, args, expected) => {
    expect(call(name, ...args)).toBe(expected);
  });
}

describe("arithmetic under its names", () => {
  vectors([
    ["plus", [9007199254740991, 1], "9007199254740992"],
    ["plus", ["a", 1], "eval_type_error"],
    ["minus", [1, 3], "-2"],
    ["minus", [new Set([1, 2]), new Set([2])], "{1}"],
    ["minus", [new Set([1, 2]), 1], "eval_type_error"],
    ["minus", [1, new Set([1])], "eval_type_error"],
    ["mul", [0.1, 3], "0.30000000000000004"],
    ["div", [1, 0], "eval_builtin_error"],
    ["rem", [-7, 3], "-1"],
    ["rem", [1.5, 1], "eval_builtin_error"],
    ["and", [new Set([1, 2]), new Set([2, 3])], "{2}"],
    ["or", [new Set([1, 2]), new Set([2, 3])], "{1, 2, 3}"],
    ["and", [1, new Set([1])], "eval_type_error"],
  ]);
});

describe("comparisons and membership", () => {
  vectors([
    ["lt", [null, 0], "true"],
    ["gte", [new Set<Literal>(), { a: 1 }], "true"],
    ["equal", [1, 1n], "true"],
    ["neq", ["1", 1], "true"],
    ["internal.member_2", [1, [0, 1]], "true"],
    ["internal.member_2", [1, { a: 1 }], "true"],
    ["internal.member_2", [[1], new Set([[1]])], "true"],
    ["internal.member_2", [1, null], "false"],
    ["internal.member_2", ["a", "abc"], "false"],
    ["internal.member_3", [1, "b", ["a", "b"]], "true"],
    ["internal.member_3", ["a", 1, { a: 1 }], "true"],
    ["internal.member_3", ["1", "b", ["a", "b"]], "false"],
    ["internal.member_3", [1, 1, new Set([1])], "true"],
    ["internal.member_3", [2, 1, new Set([1])], "false"],
  ]);
});

describe("rounding", () => {
  vectors([
    ["round", [2.5], "3"],
    ["round", [-2.5], "-3"],
    ["round", [0.49999999999999994], "0"],
    ["ceil", [-0.5], "0"],
    ["floor", [-0.5], "-1"],
    ["abs", [-(2n ** 70n)], "1180591620717411303424"],
    ["floor", [2n ** 70n], "1180591620717411303424"],
  ]);
});

describe("bits", () => {
  vectors([
    ["bits.and", [-1, 255], "255"],
    ["bits.or", [2n ** 70n, 1], "1180591620717411303425"],
    ["bits.xor", [5, 3], "6"],
    ["bits.negate", [0], "-1"],
    ["bits.lsh", [1, 70], "1180591620717411303424"],
    ["bits.lsh", [0, 2n ** 60n], "0"],
    ["bits.lsh", [1, 2n ** 40n], "budget bigintBits"],
    ["bits.lsh", [1, -1], "eval_type_error"],
    ["bits.lsh", [1.5, 1], "eval_type_error"],
    ["bits.rsh", [-5, 1], "-3"],
    ["bits.rsh", [-5, 2n ** 60n], "-1"],
    ["bits.rsh", [5, 2n ** 60n], "0"],
  ]);
});

describe("ranges", () => {
  vectors([
    ["numbers.range", [1, 3], "[1, 2, 3]"],
    ["numbers.range", [1, -1], "[1, 0, -1]"],
    ["numbers.range", [1.5, 2], "eval_type_error"],
    ["numbers.range", [0, 10n ** 12n], "budget cells"],
    ["numbers.range", [9007199254740991, 9007199254740992n], "[9007199254740991, 9007199254740992]"],
    ["numbers.range_step", [1, 6, 2], "[1, 3, 5]"],
    ["numbers.range_step", [6, 1, 2], "[6, 4, 2]"],
    ["numbers.range_step", [1, 6, 0], "eval_builtin_error"],
    ["numbers.range_step", [1, 6, -1], "eval_builtin_error"],
  ]);
});

describe("aggregates", () => {
  vectors([
    ["count", [{ a: 1 }], "1"],
    ["count", [1], "eval_type_error"],
    ["sum", [[1, 2n ** 60n]], "1152921504606846977"],
    ["sum", [[]], "0"],
    ["sum", [[1, "a"]], "eval_type_error"],
    ["product", [new Set([2, 3])], "6"],
    ["product", [[]], "1"],
    ["max", [[1, "a", null]], '"a"'],
    ["min", [new Set(["a", null, 1])], "null"],
    ["max", [[]], undefined],
    ["sort", [[3, 1, 2, 1]], "[1, 1, 2, 3]"],
    ["sort", [{ a: 1 }], "eval_type_error"],
  ]);
});

describe("conversion", () => {
  vectors([
    ["to_number", ["1e3"], "1000"],
    ["to_number", ["+1"], "1"],
    ["to_number", ["5."], "5"],
    ["to_number", ["18446744073709551615"], "18446744073709551615"],
    ["to_number", [" 1"], "eval_builtin_error"],
    ["to_number", ["0x1"], "eval_builtin_error"],
    ["to_number", ["NaN"], "eval_type_error"],
    ["to_number", ["-Infinity"], "eval_type_error"],
    ["to_number", ["1e999999"], "budget bigintBits"],
    ["to_number", [true], "1"],
    ["to_number", [null], "0"],
    ["to_number", [[1]], "eval_type_error"],
    ["type_name", [new Set([1])], '"set"'],
    ["is_number", [2n ** 64n], "true"],
    ["is_object", [[]], "false"],
    ["cast_array", [new Set([2, 1])], "[1, 2]"],
    ["cast_set", [[1, 1]], "{1}"],
    ["cast_string", [1], "eval_type_error"],
    ["any", [[false, true]], "true"],
    ["all", [[true, 1]], "false"],
    ["all", [[]], "true"],
  ]);
});

describe("units", () => {
  vectors([
    ["units.parse", ["10Gi"], "10737418240"],
    ["units.parse", ["1.5K"], "1500"],
    ["units.parse", ["100m"], "0.1"],
    ["units.parse", ["100M"], "100000000"],
    ["units.parse", ["-1k"], "-1000"],
    ["units.parse", ["1e3"], "1000"],
    ["units.parse", ["1E"], "1000000000000000000"],
    ["units.parse", ["1 K"], "eval_builtin_error"],
    ["units.parse", ["K"], "eval_builtin_error"],
    ["units.parse", ["1.2.3"], "eval_builtin_error"],
    ["units.parse", ["1x"], "eval_builtin_error"],
    ["units.parse", ["1e999999999"], "eval_builtin_error"],
    ["units.parse_bytes", ["10KiB"], "10240"],
    ["units.parse_bytes", ["10kb"], "10000"],
    ["units.parse_bytes", ["0.9"], "0"],
    ["units.parse_bytes", ["1b"], "eval_builtin_error"],
  ]);
});

describe("random numbers", () => {
  test("answer the same question the same way during one evaluation only", () => {
    const ctx = context();
    const answers = Array.from({ length: 20 }, (_, at) => run("rand.intn", [String(at), 1_000_000_000], ctx));
    const again = Array.from({ length: 20 }, (_, at) => run("rand.intn", [String(at), 1_000_000_000], ctx));
    const later = Array.from({ length: 20 }, (_, at) => run("rand.intn", [String(at), 1_000_000_000]));
    expect(again).toEqual(answers);
    expect(later).not.toEqual(answers);
    expect(new Set(answers).size).toBeGreaterThan(10);
  });

  test("stay below the bound", () => {
    for (let at = 0; at < 100; at++) expect(Number(run("rand.intn", ["x", -3]))).toBeLessThan(3);
    expect(call("rand.intn", "x", 0)).toBe("0");
    expect(call("rand.intn", "x", 0.5)).toBe("eval_type_error");
  });
});

describe("work is paid for", () => {
  test.each([
    ["sum", [Array.from({ length: 1000 }, (_, at) => at)]],
    ["sort", [Array.from({ length: 1000 }, (_, at) => at)]],
    ["max", [Array.from({ length: 1000 }, (_, at) => at)]],
    ["numbers.range", [1, 20_000]],
  ] as const)("by %s", (name, args) => {
    expect(outcome(() => run(name, args, context({ steps: 500 })))).toBe("budget steps");
  });
});
