import { describe, expect, test } from "@jest/globals";
import { ObjectBuilder, RArray, RObject, RSet, SetBuilder } from "../../../../src/policy/rego/collections.ts";
import { compare, compareText, equal, key } from "../../../../src/policy/rego/compare.ts";
import { BudgetError } from "../../../../src/policy/rego/errors.ts";
import { fromJson, JsonTextError, marshalJson, parseJson, toJson } from "../../../../src/policy/rego/json.ts";
import { MAX_VALUE_DEPTH } from "../../../../src/policy/rego/shape.ts";
import { sourceForm, textForm } from "../../../../src/policy/rego/text.ts";
import { isObject, typeName, type Value } from "../../../../src/policy/rego/value.ts";
import { value } from "../../../support/rego-builtins.ts";

/** One value of each kind and edge, in ascending order. */
const ASCENDING: readonly Value[] = [
  null,
  false,
  true,
  -(2n ** 70n),
  -1,
  0,
  0.5,
  1,
  2n ** 53n,
  2n ** 70n,
  "",
  "A",
  "a",
  "ab",
  "\uffff",
  "\u{10000}",
  value([]),
  value([1]),
  value([1, 0]),
  value([2]),
  value({}),
  value({ a: 1 }),
  value({ a: 1, b: 0 }),
  value({ a: 2 }),
  value({ b: 0 }),
  value(new Set()),
  value(new Set([1])),
  value(new Set([1, 2])),
  value(new Set([2])),
];

describe("order", () => {
  test("is total across all types", () => {
    for (const [i, a] of ASCENDING.entries())
      for (const [j, b] of ASCENDING.entries()) {
        expect(compare(a, b)).toBe(Math.sign(i - j));
        expect(equal(a, b)).toBe(i === j);
        expect(key(a) === key(b)).toBe(i === j);
      }
  });

  test("of strings is by code point, not by UTF-16 unit", () => {
    expect(compareText("\ue000", "\u{1f600}")).toBe(-1);
    expect("\ue000" < "\u{1f600}").toBe(false);
  });

  test("keys of nested text cannot imitate structure", () => {
    expect(key(value(["a,s1:b"]))).not.toBe(key(value(["a", "b"])));
    expect(key("#1")).not.toBe(key(1));
  });
});

describe("objects and sets", () => {
  test("iterate in ascending order whatever the order of insertion", () => {
    const object = new ObjectBuilder().set("b", 1).set(2, 2).set("a", 3).set(null, 4).build();
    expect(object.keys()).toEqual([null, 2, "a", "b"]);
    expect(object.values()).toEqual([4, 2, 3, 1]);
    expect([...RSet.of(["b", 10, 9, "a"])]).toEqual([9, 10, "a", "b"]);
  });

  test("take composite keys and members by value", () => {
    const object = new ObjectBuilder()
      .set(value([1]), "one")
      .set(value([1]), "two")
      .build();
    expect(object.size).toBe(1);
    expect(object.get(RArray.of([1]))).toBe("two");
    const set = new SetBuilder()
      .add(value({ a: 1 }))
      .add(value({ a: 1 }))
      .build();
    expect(set.size).toBe(1);
    expect(set.has(value({ a: 1 }))).toBe(true);
    expect(set.has(value({ a: 2 }))).toBe(false);
  });

  test("empty ones are shared", () => {
    expect(RArray.of([])).toBe(RArray.EMPTY);
    expect(new ObjectBuilder().build()).toBe(RObject.EMPTY);
    expect(new SetBuilder().build()).toBe(RSet.EMPTY);
  });
});

describe("documents", () => {
  const HOSTILE = [
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "valueOf",
    "length",
  ];

  test("have no members but their own", () => {
    const object = fromJson({ a: 1 });
    for (const name of HOSTILE) expect(isObject(object) && object.get(name)).toBeUndefined();
  });

  test("keep members whose names are properties of JS objects", () => {
    const text = `{${HOSTILE.map((name) => `"${name}":{"x":1}`).join(",")}}`;
    const object = parseJson(text);
    for (const name of HOSTILE)
      expect(isObject(object) && sourceForm(object.get(name) ?? null)).toBe('{"x": 1}');
    const plain = toJson(object);
    expect(Object.keys(plain ?? {}).sort()).toEqual([...HOSTILE].sort());
    expect(Object.getPrototypeOf(plain)).toBe(Object.prototype);
    expect(equal(fromJson(plain), object)).toBe(true);
  });

  test("are wrapped on first access and then stay the same value", () => {
    const object = fromJson({ a: { b: [1, 2] } });
    expect(isObject(object) && object.get("a")).toBe(isObject(object) && object.get("a"));
    expect(sourceForm(object)).toBe('{"a": {"b": [1, 2]}}');
  });

  test("normalise numbers", () => {
    expect(sourceForm(fromJson([-0, 1e20, 2n, Number.NaN]))).toBe("[0, 100000000000000000000, 2, null]");
    expect(fromJson(2n)).toBe(2);
  });

  test("that are too deep fail when somebody goes there, not before", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 10_000; level++) deep = [deep];
    const object = fromJson({ deep, a: 1 });
    expect(isObject(object) && object.get("a")).toBe(1);
    expect(() => key(object)).toThrow(BudgetError);
    expect(() => sourceForm(object)).toThrow(BudgetError);
  });
});

describe("keys of large values", () => {
  const large = (end: Value) => RArray.of([...Array.from({ length: 1000 }, (_, at) => at), end]);

  test("are short, equal for equal values and different for all others", () => {
    expect(key(large(1)).length).toBeLessThan(100);
    expect(key(large(1))).toBe(key(large(1)));
    expect(key(large(1))).not.toBe(key(large(2)));
    expect(key(large("\udc80"))).not.toBe(key(large("\udc81")));
  });

  test("are what sets of them go by", () => {
    const set = RSet.of([large(1), large(2), large(1)]);
    expect(set.size).toBe(2);
    expect(set.has(large(2))).toBe(true);
    expect(set.has(large(3))).toBe(false);
  });
});

describe("limits", () => {
  test("a value that shares its parts is measured as if it did not", () => {
    const double = () => {
      let shared: Value = RArray.of([1, 2]);
      for (let level = 0; level < 60; level++) shared = RArray.of([shared, shared]);
    };
    expect(double).toThrow(BudgetError);
  });

  test("nesting is bounded", () => {
    let deep: Value = 1;
    for (let level = 0; level < MAX_VALUE_DEPTH; level++) deep = RArray.of([deep]);
    expect(() => RArray.of([deep])).toThrow(BudgetError);
  });
});

describe("text form", () => {
  test.each([
    [value({ a: [1, "x", null], b: new Set([2, 1]) }), '{"a": [1, "x", null], "b": {1, 2}}'],
    [value(new Set()), "set()"],
    [value([]), "[]"],
    [value({}), "{}"],
    [value(new Map([[1, true]])), "{1: true}"],
    [value(['a"\\\n\u0001\u200bé']), '["a\\"\\\\\\n\\x01\\u200bé"]'],
    [2n ** 64n, "18446744073709551616"],
    [0.1, "0.1"],
  ])("%#", (input, text) => {
    expect(textForm(input)).toBe(text);
  });

  test("a string on its own has no quotes", () => {
    expect(textForm('a"b')).toBe('a"b');
    expect(sourceForm('a"b')).toBe('"a\\"b"');
  });

  test("is bounded", () => {
    expect(() => sourceForm(value(["abcdef"]), 5)).toThrow(BudgetError);
  });
});

describe("JSON", () => {
  test.each([
    ["18446744073709551615", 18446744073709551615n],
    ["9007199254740993", 9007199254740993n],
    ["1.0", 1],
    ["1e3", 1000],
    ["-0", 0],
    ["0.1", 0.1],
    ["1e-400", 0],
    ['"\\ud83d\\ude00"', "\u{1f600}"],
    ['"\\ud800x"', "\ufffdx"],
    [" [ ] ", RArray.EMPTY],
  ])("reads %s", (text, expected) => {
    expect(equal(parseJson(text), expected)).toBe(true);
  });

  test.each([
    "",
    "01",
    "1.",
    ".5",
    "+1",
    "[1,]",
    "{a:1}",
    '{"a" 1}',
    "nul",
    "1 2",
    '"\n"',
    '"\\x"',
    "[",
    "\u00a01",
    "NaN",
  ])("refuses %j", (text) => {
    expect(() => parseJson(text)).toThrow(JsonTextError);
  });

  test("the last of equal members counts", () => {
    expect(sourceForm(parseJson('{"a":1,"a":2}'))).toBe('{"a": 2}');
  });

  test("bounds nesting and digits", () => {
    expect(() => parseJson("[".repeat(100_000))).toThrow(BudgetError);
    expect(() => parseJson("1".repeat(1_000_000))).toThrow(BudgetError);
    expect(() => parseJson("1e999999999")).toThrow(BudgetError);
  });

  test("writes sorted members, escapes for HTML and keys of any type", () => {
    const object = value(
      new Map<string | number | readonly number[], string | ReadonlySet<number>>([
        ["b", "<&>\u2028"],
        [[1, 2], new Set([2, 1])],
        [1, "x"],
      ]),
    );
    expect(marshalJson(object)).toBe('{"1":"x","[1,2]":[1,2],"b":"\\u003c\\u0026\\u003e\\u2028"}');
  });
});

test("type names", () => {
  expect(ASCENDING.map(typeName).filter((name, at, all) => name !== all[at - 1])).toEqual([
    "null",
    "boolean",
    "number",
    "string",
    "array",
    "object",
    "set",
  ]);
});
