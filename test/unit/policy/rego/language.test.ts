/** What the language means, construct by construct. Every expectation was worked out by hand. */
import { describe, expect, test } from "@jest/globals";
import { answer, policyOf, refusals, told } from "../../../support/rego.ts";

describe("truth of a literal", () => {
  test.each(["0", '""', "null", "[]", "{}", "set()"])("%s succeeds", (term) => {
    expect(answer(`p if ${term}`, "p")).toBe(true);
  });

  test.each(["false", "input.missing", "1 == 2", '"a" in ["b"]', "[1][5]", "[1][-1]", '{"a": 1}.b'])(
    "%s does not",
    (term) => {
      expect(answer(`p if ${term}`, "p", { input: {} })).toBe("undefined");
    },
  );

  test("a bare reference to false fails where an assignment of it does not", () => {
    const rules = "bare if input.a\nassigned if { x := input.a; is_boolean(x) }";
    expect(answer(rules, "bare", { input: { a: false } })).toBe("undefined");
    expect(answer(rules, "assigned", { input: { a: false } })).toBe(true);
  });
});

describe("complete rules", () => {
  test("definitions that agree are one", () => {
    expect(answer("p := 1 if input.a\np := 1 if input.b", "p", { input: { a: 1, b: 1 } })).toBe(1);
  });

  test("definitions that disagree are a conflict", () => {
    expect(answer("p := 1 if input.a\np := 2 if input.b", "p", { input: { a: 1, b: 1 } })).toBe(
      "eval_conflict_error",
    );
  });

  test("solutions of one body that disagree are a conflict", () => {
    expect(answer("p := x if some x in [1, 2]", "p")).toBe("eval_conflict_error");
  });

  test("a conflict stops the evaluation also inside a negation", () => {
    expect(answer("q := x if some x in [1, 2]\np if not q == 3", "p")).toBe("eval_conflict_error");
  });
});

describe("default", () => {
  test("counts when no definition has a solution, and only then", () => {
    const rules = "default p := 0\np := 1 if input.a";
    expect(answer(rules, "p", { input: {} })).toBe(0);
    expect(answer(rules, "p", { input: { a: true } })).toBe(1);
  });

  test("of a function counts when no clause matches a defined argument", () => {
    const rules = "default f(_) := 0\nf(x) := 1 if x > 5\na := f(9)\nb := f(1)\nc := f(input.missing)";
    expect(answer(rules, "a", { input: {} })).toBe(1);
    expect(answer(rules, "b", { input: {} })).toBe(0);
    expect(answer(rules, "c", { input: {} })).toBe("undefined");
  });

  test.each(["default p := input.x", "default p := count([1])", "default p := x"])(
    "%s is refused",
    (rule) => {
      expect(refusals(rule)).toEqual(["rego_parse_error"]);
    },
  );
});

describe("else", () => {
  const rules = "p := 1 if input.a else := 2 if input.b else := 3";

  test.each([
    [{ a: true, b: true }, 1],
    [{ b: true }, 2],
    [{}, 3],
    [{ a: false, b: true }, 2],
  ])("of %j the first branch that holds counts: %j", (input, value) => {
    expect(answer(rules, "p", { input })).toBe(value);
  });

  test("a branch is not reached past one that gave false", () => {
    expect(answer("p := false if input.a else := true", "p", { input: { a: 1 } })).toBe(false);
  });

  test("the chain must agree with other definitions", () => {
    expect(answer(`${rules}\np := 9 if input.c`, "p", { input: { c: 1 } })).toBe("eval_conflict_error");
  });
});

describe("not", () => {
  test.each([
    ["undefined", {}, true],
    ["false", { a: false }, true],
    ["true", { a: true }, "undefined"],
    ["null", { a: null }, "undefined"],
  ])("of %s", (_name, input, value) => {
    expect(answer("p if not input.a", "p", { input })).toBe(value);
  });

  test("with a wildcard means that there is no such element", () => {
    const rules = "p if not input.xs[_] == 5";
    expect(answer(rules, "p", { input: { xs: [1, 2] } })).toBe(true);
    expect(answer(rules, "p", { input: { xs: [1, 5] } })).toBe("undefined");
  });

  test("of a named variable that nothing binds is refused", () => {
    expect(refusals("p if not input.xs[i] == 5")).toEqual(["rego_unsafe_var_error"]);
  });

  test("binds nothing for the literals after it", () => {
    expect(refusals("p := x if { not x := 1 }")).toContain("rego_compile_error");
  });
});

describe("every", () => {
  test.each([
    [[], true],
    [[1, 2], true],
    [[1, 0], "undefined"],
    [{ a: 1, b: 2 }, true],
    [{ a: 1, b: 0 }, "undefined"],
    [3, "undefined"],
  ])("over %j", (xs, value) => {
    expect(answer("p if every x in input.xs { x > 0 }", "p", { input: { xs } })).toBe(value);
  });

  test("over an undefined domain fails", () => {
    expect(answer("p if every x in input.xs { x > 0 }", "p", { input: {} })).toBe("undefined");
  });

  test("sees keys and outer variables, and lets nothing out", () => {
    const rules = "p if { m := 1; every i, x in input.xs { x == i + m } }";
    expect(answer(rules, "p", { input: { xs: [1, 2, 3] } })).toBe(true);
    expect(refusals("p := x if every x in input.xs { x > 0 }")).toEqual(["rego_unsafe_var_error"]);
  });
});

describe("some and membership", () => {
  test("iterates in ascending order and binds keys", () => {
    expect(answer("p := [[k, v] | some k, v in input]", "p", { input: { b: 1, a: 2 } })).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });

  test.each([
    ["1 in [1]", true],
    ["1 in {1}", true],
    ['1 in {"a": 1}', true],
    ['"a" in {"a": 1}', false],
    ['"a", 1 in {"a": 1}', true],
    ["1 in null", false],
    ["1 in 1", false],
  ])("%s is %j", (term, value) => {
    expect(answer(`p := ${term}`, "p")).toBe(value);
  });

  test("`some` over what is no collection has no solutions", () => {
    expect(answer("p if some x in input.a", "p", { input: { a: 5 } })).toBe("undefined");
  });

  test("patterns pick elements", () => {
    expect(
      answer('p := {x | some {"k": x} in input.xs}', "p", { input: { xs: [{ k: 1 }, { j: 2 }, { k: 3 }] } }),
    ).toEqual([1, 3]);
  });
});

describe("unification", () => {
  test.each([
    ["[x, 2] = [1, y]", [1, 2]],
    ['{"a": x, "b": y} = {"a": 1, "b": 2}', [1, 2]],
    ["[[x], y] = [[1], 2]", [1, 2]],
    ["x = y; y = 1", [1, 1]],
  ])("%s", (body, value) => {
    expect(answer(`p := [x, y] if { ${body} }`, "p")).toEqual(value);
  });

  test.each(["[x] = [1, 2]", "[x, x] = [1, 2]", '{"a": x} = {"b": 1}', "[x, 1] = [1, 2]"])(
    "%s fails",
    (body) => {
      expect(answer(`p if { ${body} }`, "p")).toBe("undefined");
    },
  );

  test("one name is one value in a body", () => {
    const input = { a: [1, 2, 3], b: [3, 2, 1] };
    expect(answer("p := {i | input.a[i] == input.b[i]}", "p", { input })).toEqual([1]);
    expect(answer("p := {x | input.a[_] = x; input.b[0] = x}", "p", { input })).toEqual([3]);
  });

  test("a literal that needs a value waits for the one that gives it", () => {
    expect(answer("p := y if { y = x + 1; x = 2 }", "p")).toBe(3);
  });
});

describe("functions", () => {
  test("match patterns and constants", () => {
    const rules = 'f("a", [x, _]) := x\nf("b", {"k": v}) := v\np := [f("a", [1, 2]), f("b", {"k": 3})]';
    expect(answer(rules, "p")).toEqual([1, 3]);
  });

  test("a repeated parameter must be equal", () => {
    expect(answer("f(x, x) := true\np if f(1, 1)", "p")).toBe(true);
    expect(answer("f(x, x) := true\np if f(1, 2)", "p")).toBe("undefined");
  });

  test("clauses that disagree are a conflict", () => {
    expect(answer("f(x) := 1 if x > 0\nf(x) := 2 if x > 1\np := f(5)", "p")).toBe("eval_conflict_error");
  });

  test("an undefined argument makes the call undefined", () => {
    expect(answer("f(_) := 1\np := f(input.a)", "p", { input: {} })).toBe("undefined");
  });

  test("an extra argument takes the result", () => {
    expect(answer("p := n if count([1, 2], n)", "p")).toBe(2);
  });

  test("are no part of the document around them", () => {
    expect(answer("f(_) := 1\nq := 2", "", {})).toBe("eval_internal_error"); // `data.policy.` is no path
    expect(told(policyOf("f(_) := 1\nq := 2").evaluate("data.policy"))).toEqual({ q: 2 });
  });
});

describe("partial rules", () => {
  test("a set is never undefined", () => {
    expect(answer("p contains x if some x in input.xs", "p", { input: {} })).toEqual([]);
  });

  test("one key with two values is a conflict, for who asks for that key or for all", () => {
    const rules = 'o["a"] := 1\no[k] := v if some k, v in input\nb := o.b\na := o.a\nall := o';
    const input = { a: 2, b: 3 };
    expect(answer(rules, "b", { input })).toBe(3);
    expect(answer(rules, "a", { input })).toBe("eval_conflict_error");
    expect(answer(rules, "all", { input })).toBe("eval_conflict_error");
  });

  test("reference heads make nested objects", () => {
    expect(answer('p[x].y[z] := 1 if { some x in ["a", "b"]; z := "k" }', "p")).toEqual({
      a: { y: { k: 1 } },
      b: { y: { k: 1 } },
    });
  });
});

describe("comprehensions", () => {
  test("collect in solution order", () => {
    expect(answer("p := [[x, y] | some x in [2, 1]; some y in [3, 4]]", "p")).toEqual([
      [2, 3],
      [2, 4],
      [1, 3],
      [1, 4],
    ]);
  });

  test("an object with one key twice is a conflict", () => {
    expect(answer('p := {"k": x | some x in [1, 2]}', "p")).toBe("eval_conflict_error");
  });

  test("undefined terms contribute nothing", () => {
    expect(answer("p := [x.a | some x in input]", "p", { input: [{ a: 1 }, {}, { a: 2 }] })).toEqual([1, 2]);
  });
});

describe("documents", () => {
  test("rules and base documents lie over each other", () => {
    const policy = policyOf("q := 1");
    expect(told(policy.evaluate("data.policy", { data: { policy: { base: 2 }, other: 3 } }))).toEqual({
      q: 1,
      base: 2,
    });
    expect(told(policy.evaluate("data.other", { data: { other: 3 } }))).toBe(3);
  });

  test("a rule reached through a variable that leads back to itself is an error, no endless loop", () => {
    expect(answer("p if data[input.k].p", "p", { input: { k: "policy" } })).toBe("eval_internal_error");
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "length", "valueOf"])(
    "AS-109 the member %s of a document is what the document says, and nothing else",
    (name) => {
      expect(answer("p := input[input.k]", "p", { input: { k: name } })).toBe("undefined");
      expect(answer(`p := input.${name}`, "p", { input: JSON.parse(`{"${name}": 1}`) })).toBe(1);
      expect(answer(`p := data.${name}`, "p", { data: {} })).toBe("undefined");
    },
  );

  test("without an input every reference to it is undefined", () => {
    expect(answer("p if not input\nq := input", "p")).toBe(true);
    expect(answer("p if not input\nq := input", "q")).toBe("undefined");
  });
});

describe("numbers", () => {
  test("integers are exact at any size", () => {
    expect(answer("p := input.n + 1", "p", { input: { n: 2n ** 64n } })).toBe(2n ** 64n + 1n);
    expect(answer("p if 1 == 1.0", "p")).toBe(true);
    expect(answer("p := 9007199254740993 * 3", "p")).toBe(27021597764222979n);
  });
});
