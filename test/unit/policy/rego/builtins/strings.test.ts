import { describe, expect, test } from "@jest/globals";
import { call, type Literal, run } from "../../../../support/rego-builtins.ts";

type Vector = readonly [string, readonly Literal[], string | undefined];

function vectors(list: readonly Vector[]): void {
  test.each(list)("%s%j is %s", (name, args, expected) => {
    expect(call(name, ...args)).toBe(expected);
  });
}

describe("lengths and positions count code points", () => {
  vectors([
    ["count", ["é😀x"], "3"],
    ["indexof", ["😀éx", "x"], "2"],
    ["indexof", ["abc", "z"], "-1"],
    ["indexof", ["abc", ""], "eval_builtin_error"],
    ["indexof_n", ["😀aa😀aaa", "aa"], "[1, 4, 5]"],
    ["indexof_n", ["a", ""], "eval_builtin_error"],
    ["substring", ["a😀bc", 1, 2], '"😀b"'],
    ["substring", ["abc", 1, -1], '"bc"'],
    ["substring", ["abc", 5, 1], '""'],
    ["substring", ["abc", 1, 99], '"bc"'],
    ["substring", ["abc", -1, 1], "eval_builtin_error"],
    ["substring", ["abc", 0.5, 1], "eval_type_error"],
    ["strings.reverse", ["a😀é"], '"é😀a"'],
    ["strings.count", ["aaa", "aa"], "1"],
    ["strings.count", ["😀a", ""], "3"],
  ]);
});

describe("tests", () => {
  vectors([
    ["contains", ["abc", "bc"], "true"],
    ["startswith", ["abc", "bc"], "false"],
    ["endswith", ["abc", "bc"], "true"],
    ["endswith", ["abc", 1], "eval_type_error"],
    ["strings.any_prefix_match", ["abc", ["x", "ab"]], "true"],
    ["strings.any_prefix_match", [["xyz", "abc"], new Set(["ab"])], "true"],
    ["strings.any_prefix_match", [[], "a"], "false"],
    ["strings.any_prefix_match", [[1], "a"], "eval_type_error"],
    ["strings.any_suffix_match", ["abc", "bc"], "true"],
    ["strings.any_suffix_match", ["abc", ["ab", ""]], "true"],
  ]);
});

describe("splitting and joining", () => {
  vectors([
    ["split", ["a,b,,c", ","], '["a", "b", "", "c"]'],
    ["split", ["a😀", ""], '["a", "😀"]'],
    ["split", ["", ""], "[]"],
    ["split", ["", ","], '[""]'],
    ["strings.split_n", ["a.b.c", ".", 2], '["a", "b"]'],
    ["strings.split_n", ["a.b.c", ".", -2], '["b", "c"]'],
    ["strings.split_n", ["a.b.c", ".", 0], "[]"],
    ["concat", ["-", ["b", "a"]], '"b-a"'],
    ["concat", ["-", new Set(["b", "a"])], '"a-b"'],
    ["concat", ["-", []], '""'],
    ["concat", ["-", ["a", 1]], "eval_type_error"],
  ]);
});

describe("trimming", () => {
  vectors([
    ["trim", ["😀 a 😀", "😀 "], '"a"'],
    ["trim_left", ["xxaxx", "x"], '"axx"'],
    ["trim_right", ["xxaxx", "x"], '"xxa"'],
    ["trim", ["aaa", "a"], '""'],
    ["trim_prefix", ["aab", "a"], '"ab"'],
    ["trim_suffix", ["abb", "b"], '"ab"'],
    ["trim_suffix", ["abb", ""], '"abb"'],
    ["trim_space", ["\u00a0\u2003 a\ufeff\n"], '"a\\ufeff"'],
  ]);
});

describe("case maps one code point to one", () => {
  vectors([
    ["upper", ["aß\u0149\u1fb3"], '"Aß\u0149\u1fbc"'],
    ["lower", ["\u0130\u03a3"], '"i\u03c3"'],
  ]);
});

describe("replacing", () => {
  vectors([
    ["replace", ["abab", "b", "xy"], '"axyaxy"'],
    ["replace", ["a😀", "", "-"], '"-a-😀-"'],
    ["replace", ["$&", "$", "$$"], '"$$&"'],
    ["strings.replace_n", [{ a: "b", b: "c" }, "ab"], '"bc"'],
    ["strings.replace_n", [{ a: "1", ab: "2" }, "abab"], '"1b1b"'],
    ["strings.replace_n", [{ "": "x", a: "y" }, "ab"], '"xyxbx"'],
    ["strings.replace_n", [{}, "ab"], '"ab"'],
    ["strings.replace_n", [{ a: 1 }, "ab"], "eval_type_error"],
  ]);
});

describe("format_int", () => {
  vectors([
    ["format_int", [255, 16], '"ff"'],
    ["format_int", [-5.9, 2], '"-101"'],
    ["format_int", [2n ** 70n, 10], '"1180591620717411303424"'],
    ["format_int", [8, 7], "eval_type_error"],
  ]);
});

describe("sprintf", () => {
  const formatted: readonly (readonly [string, readonly Literal[], string])[] = [
    ["%d|%5d|%-5d|%05d|%+d|% d", [1, 2, 3, -4, 5, 6], "1|    2|3    |-0004|+5| 6"],
    [
      "%x|%X|%#x|%o|%#o|%O|%b|%c|%q|%U",
      [255, 255, 255, 8, 8, 8, 5, 128512, 65, 65],
      "ff|FF|0xff|10|010|0o10|101|😀|'A'|U+0041",
    ],
    [
      "%s|%5s|%-5s|%.2s|%q|%#q|%x|% X|%+q",
      ["a", "b", "c", "défg", 'a"b', "ab", "ab", "ab", "é"],
      'a|    b|c    |dé|"a\\"b"|`ab`|6162|61 62|"\\u00e9"',
    ],
    ["%v|%v|%v|%v", [true, null, [1, "a"], new Set([2, 1])], 'true|null|[1, "a"]|{1, 2}'],
    [
      "%f|%.2f|%8.1f|%-8.1f|%08.1f|%e|%g|%G",
      [1.5, 2.675, 1.25, 1.25, -1.25, 1234.5, 1e-7, 0.5],
      "1.500000|2.67|     1.2|1.2     |-00001.2|1.234500e+03|1e-07|0.5",
    ],
    ["%v|%v|%v", [1234567.25, 0.00001, 100000.5], "1.23456725e+06|1e-05|100000.5"],
    ["%.0f|%.0f|%.20f|%.3g", [0.5, 2.5, 0.1, 1234.5678], "0|2|0.10000000000000000555|1.23e+03"],
    [
      "%d|%x|%v|%30d",
      [2n ** 64n, 2n ** 64n, 2n ** 64n, 2n ** 64n],
      "18446744073709551616|10000000000000000|18446744073709551616|          18446744073709551616",
    ],
    [
      "%d|%s|%t|%f|%c",
      ["a", 1, true, 1, 2n ** 64n],
      "%!d(string=a)|%!s(int=1)|%!t(string=true)|%!f(int=1)|%!c(big.Int=18446744073709551616)",
    ],
    ["%d %d", [1], "1 %!d(MISSING)"],
    [
      "%d",
      [1, "a", 2n ** 60n, 2n ** 64n, 0.5],
      "1%!(EXTRA string=a, int=1152921504606846976, *big.Int=18446744073709551616, float64=0.5)",
    ],
    ["%[2]d %[1]d", [1, 2], "2 1"],
    ["%[3]d|%[x]d", [1, 2], "%!d(BADINDEX)|%!d(BADINDEX)"],
    ["%*d|%-*d|%.*f", [3, 1, 3, 1, 1, 2.25], "  1|1  |2.2"],
    ["%*d", ["a", 1], "%!(BADWIDTH)1"],
    ["100%%|%z|%", ["a"], "100%|%!z(string=a)|%!(NOVERB)"],
    ["%v", [2n * 10n ** 308n], "2e308"],
    ["%v", [1], "1"],
  ];

  test.each(formatted)("%j with %j", (format, args, expected) => {
    expect(run("sprintf", [format, args])).toBe(expected);
  });

  test("width and precision are bounded", () => {
    expect(call("sprintf", "%2000d", [1])).toBe("budget formatWidth");
    expect(call("sprintf", "%.99999999999f", [1])).toBe("budget formatWidth");
    expect(call("sprintf", "%*d", [5000, 1])).toBe("budget formatWidth");
  });
});
