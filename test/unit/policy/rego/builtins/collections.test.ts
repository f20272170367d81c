import { describe, expect, test } from "@jest/globals";
import { call, type Literal } from "../../../../support/rego-builtins.ts";

type Vector = readonly [string, readonly Literal[], string | undefined];

function vectors(list: readonly Vector[]): void {
  test.each(list)("%s%j is %s", (name, args, expected) => {
    expect(call(name, ...args)).toBe(expected);
  });
}

describe("arrays", () => {
  vectors([
    ["array.concat", [[1], [2, 3]], "[1, 2, 3]"],
    ["array.concat", [[1], new Set([2])], "eval_type_error"],
    ["array.flatten", [[1, [2, [3]], []]], "[1, 2, [3]]"],
    ["array.reverse", [[1, 2, 3]], "[3, 2, 1]"],
    ["array.slice", [[1, 2, 3], -1, 2], "[1, 2]"],
    ["array.slice", [[1, 2, 3], 2, 1], "[]"],
    ["array.slice", [[1, 2, 3], 1, 2n ** 62n], "[2, 3]"],
    ["array.slice", [[1, 2, 3], 0.5, 2], "eval_type_error"],
  ]);
});

describe("sets of sets", () => {
  vectors([
    ["union", [new Set([new Set([1]), new Set([2])])], "{1, 2}"],
    ["union", [new Set<Literal>()], "set()"],
    ["union", [new Set([1])], "eval_type_error"],
    ["intersection", [new Set([new Set([1, 2]), new Set([2, 3])])], "{2}"],
    ["intersection", [new Set<Literal>()], "set()"],
  ]);
});

describe("objects", () => {
  vectors([
    ["object.get", [{ a: { b: [5] } }, ["a", "b", 0], null], "5"],
    ["object.get", [{ a: 1 }, "z", "default"], '"default"'],
    ["object.get", [{ a: 1 }, ["a", "b"], "default"], '"default"'],
    ["object.get", [{ a: 1 }, [], null], '{"a": 1}'],
    ["object.get", [{ a: false }, "a", true], "false"],
    ["object.get", [{}, "constructor", null], "null"],
    ["object.get", [[1], 0, null], "eval_type_error"],
    ["object.keys", [{ b: 1, a: 2 }], '{"a", "b"}'],
    ["object.filter", [{ a: 1, b: 2 }, ["a", "z"]], '{"a": 1}'],
    ["object.filter", [{ a: 1, b: 2 }, { b: null }], '{"b": 2}'],
    ["object.filter", [{ a: 1 }, "a"], "eval_type_error"],
    ["object.remove", [{ a: 1, b: 2 }, new Set(["a"])], '{"b": 2}'],
    [
      "object.union",
      [
        { a: { b: 1 }, c: 1 },
        { a: { d: 2 }, c: { e: 3 } },
      ],
      '{"a": {"b": 1, "d": 2}, "c": {"e": 3}}',
    ],
    ["object.union_n", [[{ a: { b: 1 } }, { a: 1 }, { a: { c: 2 } }]], '{"a": {"c": 2}}'],
    ["object.union_n", [[]], "{}"],
    ["object.union_n", [[1]], "eval_type_error"],
  ]);
});

describe("subset", () => {
  vectors([
    ["object.subset", [{ a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1 } }], "true"],
    ["object.subset", [{ a: { b: 1 } }, { a: { b: 2 } }], "false"],
    ["object.subset", [{ a: [1, 2, 3] }, { a: [2, 3] }], "true"],
    ["object.subset", [new Set([1, 2]), new Set([1])], "true"],
    [
      "object.subset",
      [
        [1, 2, 3],
        [2, 3],
      ],
      "true",
    ],
    [
      "object.subset",
      [
        [1, 2, 3],
        [1, 3],
      ],
      "false",
    ],
    ["object.subset", [[1, 2, 3], new Set([3, 1])], "true"],
    ["object.subset", [[1, 2], new Set([3])], "false"],
    ["object.subset", [new Set([1]), [1]], "eval_type_error"],
    ["object.subset", [{ a: 1 }, [1]], "eval_type_error"],
  ]);
});

describe("paths into documents", () => {
  const document: Literal = { a: [{ x: 1, y: 2 }, 5], "b/~": { c: 1, d: 2 } };
  vectors([
    ["json.filter", [document, ["a/0/x"]], '{"a": [{"x": 1}]}'],
    ["json.filter", [document, ["b~1~0/c"]], '{"b/~": {"c": 1}}'],
    ["json.filter", [document, [["b/~", "c"]]], '{"b/~": {"c": 1}}'],
    ["json.filter", [document, ["a/0/x", "a"]], '{"a": [{"x": 1, "y": 2}, 5]}'],
    ["json.filter", [document, ["a", "a/0/x"]], '{"a": [{"x": 1, "y": 2}, 5]}'],
    ["json.filter", [document, ["z"]], "{}"],
    ["json.filter", [document, [1]], "eval_type_error"],
    ["json.filter", [[1], ["0"]], "eval_type_error"],
    ["json.remove", [document, ["a/0", "b~1~0/c"]], '{"a": [5], "b/~": {"d": 2}}'],
    ["json.remove", [document, ["z/y", ""]], '{"a": [{"x": 1, "y": 2}, 5], "b/~": {"c": 1, "d": 2}}'],
    ["json.remove", [{ s: new Set([1, 2]) }, [["s", 1]]], '{"s": {2}}'],
  ]);
});

describe("patches", () => {
  const patched: readonly (readonly [Literal, readonly Literal[], string | undefined])[] = [
    [{ a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], '{"a": [1, 2]}'],
    [{ a: [1] }, [{ op: "add", path: ["a", 0], value: 2 }], '{"a": [2, 1]}'],
    [{ a: [1] }, [{ op: "add", path: "a/2", value: 2 }], undefined],
    [{ a: [1] }, [{ op: "add", path: "a/00", value: 2 }], undefined],
    [{ a: 1 }, [{ op: "add", path: "", value: 2 }], "2"],
    [{ a: [1, 2] }, [{ op: "remove", path: "a/0" }], '{"a": [2]}'],
    [{ a: 1 }, [{ op: "remove", path: "b" }], undefined],
    [{ a: [1] }, [{ op: "remove", path: "a/-" }], undefined],
    [{ a: 1 }, [{ op: "remove", path: "" }], undefined],
    [{ a: 1 }, [{ op: "replace", path: "a", value: 2 }], '{"a": 2}'],
    [{ a: 1 }, [{ op: "replace", path: "b", value: 2 }], undefined],
    [{ a: 1 }, [{ op: "move", from: "a", path: "b" }], '{"b": 1}'],
    [{ a: { x: 1 } }, [{ op: "move", from: "a", path: "a/x" }], undefined],
    [{ a: [1] }, [{ op: "copy", from: "a", path: "a/0" }], '{"a": [[1], 1]}'],
    [
      { a: 1 },
      [
        { op: "test", path: "a", value: 1 },
        { op: "add", path: "b", value: 2 },
      ],
      '{"a": 1, "b": 2}',
    ],
    [
      { a: 1 },
      [
        { op: "test", path: "a", value: 2 },
        { op: "add", path: "b", value: 2 },
      ],
      undefined,
    ],
    [{ s: new Set([1]) }, [{ op: "add", path: ["s", 2], value: 2 }], '{"s": {1, 2}}'],
    [{ s: new Set([1]) }, [{ op: "add", path: ["s", 2], value: 3 }], undefined],
    [{ s: new Set([1]) }, [{ op: "remove", path: ["s", 1] }], '{"s": set()}'],
    [{ a: 1 }, [{ op: "increase", path: "a" }], undefined],
    [{ a: 1 }, [{ op: "add", path: "b" }], undefined],
    [{ a: 1 }, [1], undefined],
    [{ a: 1 }, [], '{"a": 1}'],
  ];

  test.each(patched)("%j with %j", (document, operations, expected) => {
    expect(call("json.patch", document, operations)).toBe(expected);
  });

  test("must be an array", () => {
    expect(call("json.patch", {}, {})).toBe("eval_type_error");
  });
});

describe("graphs", () => {
  const graph: Literal = { a: ["b", "c"], b: new Set(["d"]), c: ["d"], d: ["a"], e: [], f: null };
  vectors([
    ["graph.reachable", [graph, ["a"]], '{"a", "b", "c", "d"}'],
    ["graph.reachable", [graph, new Set(["e", "f", "z"])], '{"e", "f"}'],
    ["graph.reachable", [graph, "a"], "eval_type_error"],
    ["graph.reachable_paths", [graph, ["a"]], '{["a", "b", "d"], ["a", "c", "d"]}'],
    ["graph.reachable_paths", [graph, ["e"]], '{["e"]}'],
    ["graph.reachable_paths", [graph, ["z"]], "set()"],
    ["graph.reachable_paths", [{ a: ["x"] }, ["a"]], '{["a"]}'],
    [
      "walk",
      [{ a: [1], b: new Set(["s"]) }],
      '[[[], {"a": [1], "b": {"s"}}], [["a"], [1]], [["a", 0], 1], [["b"], {"s"}], [["b", "s"], "s"]]',
    ],
  ]);

  test("a complete graph has more paths than the budget", () => {
    const names = Array.from({ length: 14 }, (_, at) => `n${at}`);
    const complete = Object.fromEntries(names.map((name) => [name, names]));
    expect(call("graph.reachable_paths", complete, ["n0"])).toMatch(/^budget /);
  });
});
