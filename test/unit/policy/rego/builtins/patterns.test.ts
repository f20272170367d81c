import { describe, expect, test } from "@jest/globals";
import { call, context, type Literal, outcome, run } from "../../../../support/rego-builtins.ts";

type Vector = readonly [string, readonly Literal[], string | undefined];

function vectors(list: readonly Vector[]): void {
  test.each(list)("%s%j is %s", (name, args, expected) => {
    expect(call(name, ...args)).toBe(expected);
  });
}

/** `${name}` of a replacement, and what follows. */
function braced(name: string, rest = ""): string {
  return `\${${name}}${rest}`;
}

describe("regular expressions", () => {
  vectors([
    ["regex.match", ["^[0-9a-f]{4}$", "12ef"], "true"],
    ["regex.match", ["b", "abc"], "true"],
    ["regex.match", ["^.$", "😀"], "true"],
    ["regex.match", ["(", "a"], "eval_builtin_error"],
    ["regex.match", ["(?=a)", "a"], "eval_builtin_error"],
    ["regex.match", ["a{1001}", "a"], "eval_builtin_error"],
    ["regex.match", [1, "a"], "eval_type_error"],
    ["re_match", ["a", "a"], "true"],
    ["regex.is_valid", ["(a|b)*"], "true"],
    ["regex.is_valid", ["("], "false"],
    ["regex.is_valid", [1], "false"],
    ["regex.find_n", ["a*", "baac", -1], '["", "aa", ""]'],
    ["regex.find_n", ["a.", "paranormal", 2], '["ar", "an"]'],
    ["regex.find_n", ["a", "aaa", 0], "[]"],
    [
      "regex.find_all_string_submatch_n",
      ["a(x*)b(y)?", "axxb ab", -1],
      '[["axxb", "xx", ""], ["ab", "", ""]]',
    ],
    ["regex.split", ["a*", "baac"], '["b", "c"]'],
    ["regex.split", ["", "a😀"], '["a", "😀"]'],
    ["regex.split", ["a", ""], '[""]'],
    ["regex.split", ["a", "aba"], '["", "b", ""]'],
    ["regex.replace", ["-ab-axxb-", "a(?P<W>x*)b", braced("W", "|$1|$W|$$|$")], '"-|||$|$-xx|xx|xx|$|$-"'],
    ["regex.replace", ["baac", "a*", "x"], '"xbxcx"'],
    ["regex.replace", ["abc", "b", braced("constructor")], '"ac"'],
    ["regex.template_match", ["urn:{[a-z]+}:x", "urn:foo:x", "{", "}"], "true"],
    ["regex.template_match", ["a.{b}", "axb", "{", "}"], "false"],
    ["regex.template_match", ["a{b", "ab", "{", "}"], "eval_builtin_error"],
    ["regex.template_match", ["a", "a", "{{", "}"], "eval_builtin_error"],
  ]);

  test("nested quantifiers take linear time", () => {
    expect(call("regex.match", "^(a+)+$", `${"a".repeat(20_000)}b`)).toBe("false");
  });

  test("long patterns and subjects are refused", () => {
    expect(call("regex.match", "a".repeat(5000), "a")).toBe("budget regexPatternLength");
    expect(call("regex.match", "a", "a".repeat(2 ** 20 + 1))).toBe("budget regexSubjectLength");
  });

  test("that would compile to a huge program are refused before they are compiled", () => {
    expect(call("regex.match", "(a{1000})".repeat(400), "a")).toBe("budget regexPatternLength");
    expect(call("regex.is_valid", `${"(".repeat(5)}a{900})`.repeat(20))).toMatch(/^(false|budget)/);
    expect(call("regex.match", "((a{30}){30}){1}".repeat(200), "a")).toBe("budget regexPatternLength");
  });

  test("may repeat as far as policies need", () => {
    expect(call("regex.match", "^(sha256:)?[0-9a-f]{96}$", "0f".repeat(48))).toBe("true");
    expect(call("regex.match", "^[^{}]{3}\\{[)(]{2}$", "abc{()")).toBe("true");
  });

  test("cost steps per character", () => {
    const subject = "a".repeat(100_000);
    expect(outcome(() => run("regex.match", ["(a|b|c)+d", subject], context({ steps: 5_000 })))).toBe(
      "budget steps",
    );
  });
});

describe("globs", () => {
  const matches: readonly (readonly [string, Literal, string, boolean])[] = [
    ["*.github.com", [], "api.github.com", true],
    ["*.github.com", [], "a.api.github.com", false],
    ["**.github.com", [], "a.api.github.com", true],
    ["*.github.com", null, "a.api.github.com", true],
    ["*:b", [":"], "a.x:b", true],
    ["*:b", [":"], "a:x:b", false],
    ["a?c", [], "abc", true],
    ["a?c", [], "a.c", false],
    ["?", [], "", false],
    ["[a-c]x", [], "bx", true],
    ["[!a-c]x", [], "bx", false],
    ["[abc]x", [], "cx", true],
    ["{a,b*}c", [], "bxxc", true],
    ["{a,{b,c}}d", [], "cd", true],
    ["a,b", [], "a,b", true],
    ["\\*", [], "*", true],
    ["\\*", [], "a", false],
    ["a.b", [], "axb", false],
    ["(a|b)", [], "a", false],
    ["a\nb", [], "a\nb", true],
    ["**", [], "a\nb", true],
  ];

  test.each(matches)("%j with %j on %j is %s", (pattern, delimiters, subject, expected) => {
    expect(call("glob.match", pattern, delimiters, subject)).toBe(String(expected));
  });

  vectors([
    ["glob.match", ["[", [], "a"], "eval_builtin_error"],
    ["glob.match", ["[a-z0-9]", [], "a"], "eval_builtin_error"],
    ["glob.match", ["[]", [], "a"], "eval_builtin_error"],
    ["glob.match", ["{a,b", [], "a"], "eval_builtin_error"],
    ["glob.match", ["a\\", [], "a"], "eval_builtin_error"],
    ["glob.match", ["[c-a]", [], "b"], "eval_builtin_error"],
    ["glob.match", ["a", ["ab"], "a"], "eval_type_error"],
    ["glob.match", ["a", [1], "a"], "eval_type_error"],
    ["glob.match", ["a", "x", "a"], "eval_type_error"],
    ["glob.quote_meta", ["*?[a]{b}\\"], '"\\\\*\\\\?\\\\[a\\\\]\\\\{b\\\\}\\\\\\\\"'],
  ]);

  test("what quote_meta wrote matches only itself", () => {
    const text = "*?[!a-z]{b,c}\\";
    const quoted = String(run("glob.quote_meta", [text]));
    expect(call("glob.match", quoted, [], text)).toBe("true");
    expect(call("glob.match", quoted, [], "x")).toBe("false");
  });
});
