import { describe, expect, test } from "@jest/globals";
import { JsonSyntaxError, readJson } from "../../../src/json/read.ts";
import { canonicalJson, writeJson } from "../../../src/json/write.ts";

describe("readJson", () => {
  test("keeps integers beyond 2^53 exact and others as numbers", () => {
    expect(readJson("[18446744073709551615,9007199254740991,-9007199254740992,1e3,-0,0.5]")).toEqual([
      18446744073709551615n,
      9007199254740991,
      -9007199254740992n,
      1000,
      0,
      0.5,
    ]);
  });

  test("refuses a member that occurs twice, at any depth and spelled with an escape", () => {
    expect(() => readJson('{"a":{"b":1,"\\u0062":2}}')).toThrow(JsonSyntaxError);
  });

  test("refuses 10,000 levels of nesting without overflowing the stack", () => {
    expect(() => readJson("[".repeat(10_000) + "]".repeat(10_000))).toThrow("nesting deeper than 64 levels");
    expect(() => readJson('{"a":'.repeat(10_000))).toThrow("nesting deeper than 64 levels");
  });

  test("a member named __proto__ is a member", () => {
    const value = readJson('{"__proto__":{"polluted":true}}');
    expect(Object.keys(Object(value))).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test.each([
    "",
    " ",
    "{",
    "[1,]",
    '{"a":1,}',
    "{a:1}",
    "01",
    "1.",
    ".5",
    "-",
    "1e",
    "1e999",
    "nul",
    "truex",
    "[1]x",
    '"\n"',
    '"\\x"',
    '"\\u12"',
    '"abc',
    "NaN",
    "'a'",
    "[1 2]",
    `${"9".repeat(401)}`,
    "\uFEFF1",
  ])("refuses %j", (text) => {
    expect(() => readJson(text)).toThrow(JsonSyntaxError);
  });

  test("refuses bytes that are not UTF-8", () => {
    expect(() => readJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow("not UTF-8");
  });
});

describe("B29 parts", () => {
  test.each([
    ["[[],[]]", 3],
    ['{"a":{},"b":[1,2,3,"x",1.5]}', 5],
    ['[{"a":1},{"a":2}]', 5],
  ])("%s has %d", (text, parts) => {
    expect(readJson(text, { maxParts: parts })).toEqual(JSON.parse(text));
    expect(() => readJson(text, { maxParts: parts - 1 })).toThrow(JsonSyntaxError);
  });
});

describe("canonicalJson", () => {
  test("sorts members by UTF-16 code unit and writes no white space", () => {
    expect(canonicalJson({ b: 1, a: "t\u20ac\n", "\ud83d\ude00": [true, null], "\ufb33": 1.5 })).toBe(
      '{"a":"t\u20ac\\n","b":1,"\ud83d\ude00":[true,null],"\ufb33":1.5}',
    );
  });

  test("refuses a lone surrogate in a value or a name", () => {
    expect(() => canonicalJson("\ud800")).toThrow(RangeError);
    expect(() => canonicalJson({ "\udc00": 1 })).toThrow(RangeError);
  });
});

test("writeJson prints bigint exactly and never NaN", () => {
  expect(writeJson({ n: 18446744073709551615n, u: -0 })).toBe('{"n":18446744073709551615,"u":0}');
  expect(() => writeJson(Number.NaN)).toThrow(RangeError);
});
