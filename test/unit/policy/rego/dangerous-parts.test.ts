/** The parts of the language where a fault would release a secret, one claim each. */
import { describe, expect, test } from "@jest/globals";
import { answer, refusals } from "../../../support/rego.ts";

const UNDEFINED = "undefined";
const CONFLICT = "eval_conflict_error";

describe("not", () => {
  test("succeeds for false and undefined, fails for every other value", () => {
    for (const [text, expected] of [
      ["false", true],
      ["input.none", true],
      ["0", UNDEFINED],
      ["null", UNDEFINED],
      ['""', UNDEFINED],
      ["[]", UNDEFINED],
      ["input.yes", UNDEFINED],
    ] as const) {
      expect([text, answer(`p if not ${text}`, "p", { input: { yes: true } })]).toEqual([text, expected]);
    }
  });

  test("does not hide a conflict or a failing built-in", () => {
    expect(answer("c := 1\nc := 2 if input.x\np if not c == 3", "p", { input: { x: 1 } })).toBe(CONFLICT);
    expect(answer('p if not to_number("x") == 1', "p")).toBe("eval_builtin_error");
  });
});

describe("literals", () => {
  test("only false and undefined fail", () => {
    expect(answer("p if input.no", "p", { input: { no: false } })).toBe(UNDEFINED);
    expect(answer("p if input.none", "p", { input: {} })).toBe(UNDEFINED);
    expect(answer("p if { x := input.none; true }", "p", { input: {} })).toBe(UNDEFINED);
    expect(answer("p if input.zero", "p", { input: { zero: 0 } })).toBe(true);
  });

  test("patterns match arrays of the same length and objects with the same members", () => {
    const input = { list: [1, 2, 3], object: { a: 1, b: 2 } };
    expect(answer("p if [a, b] = input.list", "p", { input })).toBe(UNDEFINED);
    expect(answer("p if [a, b, c, d] = input.list", "p", { input })).toBe(UNDEFINED);
    expect(answer('p if {"a": x} = input.object', "p", { input })).toBe(UNDEFINED);
    expect(answer('p := x if {"a": x, "b": 2} = input.object', "p", { input })).toBe(1);
  });
});

describe("every", () => {
  test("asks for all elements", () => {
    const rule = "p if every x in input { x == 1 }";
    expect(answer(rule, "p", { input: [1, 1] })).toBe(true);
    expect(answer(rule, "p", { input: [1, 2] })).toBe(UNDEFINED);
    expect(answer(rule, "p", { input: [2, 1] })).toBe(UNDEFINED);
    expect(answer(rule, "p", { input: [] })).toBe(true);
  });

  test("fails for what is no collection", () => {
    for (const input of [1, "text", true, null]) {
      expect(answer("p if every x in input { x == 1 }", "p", { input })).toBe(UNDEFINED);
    }
    expect(answer("p if every x in input.none { true }", "p", { input: {} })).toBe(UNDEFINED);
  });
});

describe("default and else", () => {
  test("a default counts only without another value", () => {
    const rules = "default p := 1\np := 2 if input.two";
    expect(answer(rules, "p", { input: { two: true } })).toBe(2);
    expect(answer(rules, "p", { input: {} })).toBe(1);
    const computed = "default p := 1\np := input.value";
    expect(answer(computed, "p", { input: { value: 2 } })).toBe(2);
    expect(answer(computed, "p", { input: {} })).toBe(1);
  });

  test("a default does not hide a conflict", () => {
    expect(answer("default p := 1\np := 2 if input.x\np := 3 if input.x", "p", { input: { x: 1 } })).toBe(
      CONFLICT,
    );
  });

  test("the first branch with a solution counts", () => {
    const rules = "p := 1 if { input.a } else := 2 if { input.b } else := 3";
    expect(answer(rules, "p", { input: { a: true, b: true } })).toBe(1);
    expect(answer(rules, "p", { input: { b: true } })).toBe(2);
    expect(answer(rules, "p", { input: {} })).toBe(3);
  });
});

describe("several values", () => {
  test("are a conflict, whether of several definitions, of one, of a function or of a key", () => {
    const input = [1, 2];
    expect(answer("p := 1 if input[0]\np := 2 if input[1]", "p", { input })).toBe(CONFLICT);
    expect(answer("p := x if some x in input", "p", { input })).toBe(CONFLICT);
    expect(answer("f(x) := 1 if x\nf(x) := 2 if x\np := f(1)", "p", { input })).toBe(CONFLICT);
    expect(answer('p := {"k": x | some x in input}', "p", { input })).toBe(CONFLICT);
    expect(answer('p["k"] := x if some x in input', "p", { input })).toBe(CONFLICT);
  });

  test("functions are for the arguments that their patterns name", () => {
    expect(answer("f(1) := true\np := f(2)", "p")).toBe(UNDEFINED);
    expect(answer("f([1, x]) := x\np := f([2, 3])", "p")).toBe(UNDEFINED);
  });
});

describe("with", () => {
  const input = { a: 1 };

  test("counts for its literal alone, for documents and functions", () => {
    expect(answer("p := [x, y] if { x := input.a with input.a as 2; y := input.a }", "p", { input })).toEqual(
      [2, 1],
    );
    expect(answer("p := [x, y] if { x := count([]) with count as 5; y := count([]) }", "p")).toEqual([5, 0]);
    const data = { d: 1 };
    expect(answer("p := [x, y] if { x := data.d with data.d as 2; y := data.d }", "p", { data })).toEqual([
      2, 1,
    ]);
  });

  test("results before, inside and after it are kept apart", () => {
    const rules = "r := input.a\np := [x, y, z] if { x := r; y := r with input.a as 2; z := r }";
    expect(answer(rules, "p", { input })).toEqual([1, 2, 1]);
    const first = "r := input.a\np := [y, z] if { y := r with input.a as 2; z := r }";
    expect(answer(first, "p", { input })).toEqual([2, 1]);
  });

  test("hides rules while it lasts, and no longer", () => {
    const rules = "r := 1\np := [x, y] if { x := r with data.policy.r as 2; y := r }";
    expect(answer(rules, "p")).toEqual([2, 1]);
  });

  test("what follows a search under it sees the documents as they were", () => {
    const rules =
      "p contains [x, input.a] if { some x in input.list with input.list as [1, 2] with input.a as 9 }";
    expect(answer(rules, "p", { input: { a: 1 } })).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  test("without a value for the replacement the literal fails", () => {
    expect(answer("p if true with input.a as input.none", "p", { input })).toBe(UNDEFINED);
  });
});

describe("errors", () => {
  test("end the evaluation unless lenience was asked for", () => {
    expect(answer('p if { x := to_number("x"); x == 1 }', "p")).toBe("eval_builtin_error");
    expect(answer("p if count(input.n) == 1", "p", { input: { n: 1 } })).toBe("eval_type_error");
    expect(answer("p if count(input.n) == 1", "p", { input: { n: 1 }, strict: false })).toBe(UNDEFINED);
  });

  test("no mode passes over conflicts and budgets", () => {
    const rules = "c := x if some x in [1, 2]\np if not c";
    expect(answer(rules, "p", { strict: false })).toBe(CONFLICT);
    const loop = "p if { some x in numbers.range(1, 1000); x < 0 }";
    expect(answer(loop, "p", { strict: false, limits: { steps: 100 } })).toBe("eval_budget_error");
  });

  test("a host function that answers with another type than it declares fails", () => {
    const host = [{ name: "ask", arity: 1, params: ["string"], result: "string" }] as const;
    const rules = 'p if ask("x") != "no"';
    expect(answer(rules, "p", { host: () => "yes" }, { host })).toBe(true);
    expect(answer(rules, "p", { host: () => 7 }, { host })).toBe("eval_type_error");
  });

  test("variables without a value and rules that need themselves are refused", () => {
    expect(refusals("p if x == 1")).toEqual(["rego_unsafe_var_error"]);
    expect(refusals("p if not q\nq if not p")).toContain("rego_recursion_error");
  });

  test("a rule that comes to need itself through a variable fails", () => {
    expect(answer("p if { k := input.k; data[k].p }", "p", { input: { k: "policy" } })).toBe(
      "eval_internal_error",
    );
  });
});
