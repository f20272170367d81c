/** `with` replaces for one literal and what it evaluates, and for nothing else. */
import { describe, expect, test } from "@jest/globals";
import { answer, refusals } from "../../../support/rego.ts";

describe("documents", () => {
  test("input is replaced for the literal only", () => {
    const rules = "p := [a, b] if { a := q with input as 1; b := q }\nq := input";
    expect(answer(rules, "p", { input: 2 })).toEqual([1, 2]);
  });

  test("a part of the input, with objects made on the way and scalars out of it", () => {
    expect(answer("p := x if x := input with input.a.b as 1", "p", { input: { c: 3 } })).toEqual({
      a: { b: 1 },
      c: 3,
    });
    expect(answer("p := x if x := input with input.s.b as 2", "p", { input: { s: "str" } })).toEqual({
      s: { b: 2 },
    });
  });

  test("a later modifier wins over an earlier one", () => {
    expect(answer("p := x if x := input.a with input.a as 1 with input.a as 2", "p", { input: {} })).toBe(2);
  });

  test("a rule is hidden by data in its place, and its users see that", () => {
    const rules = "q := 1\nr := q + 1\np := [a, b] if { a := r with data.policy.q as 10; b := r }";
    expect(answer(rules, "p")).toEqual([11, 2]);
  });

  test("values are taken before anything is replaced", () => {
    expect(
      answer("p := x if x := input with input as input.a with input.b as input.c", "p", {
        input: { a: {}, c: 1 },
      }),
    ).toEqual({
      b: 1,
    });
  });

  test("an undefined value makes the literal undefined", () => {
    expect(answer("p if true with input as input.missing", "p", { input: {} })).toBe("undefined");
  });

  test("results kept before do not leak in, nor those kept inside out", () => {
    const rules = "q := input.x\np := [a, b, c] if { a := q; b := q with input.x as 2; c := q }";
    expect(answer(rules, "p", { input: { x: 1 } })).toEqual([1, 2, 1]);
  });

  test("what follows a search under `with` sees the outer documents", () => {
    const rules = "p := [[x, y] | some x in input.xs with input.xs as [1, 2]; y := input.z]";
    expect(answer(rules, "p", { input: { xs: [9], z: 3 } })).toEqual([
      [1, 3],
      [2, 3],
    ]);
  });
});

describe("functions", () => {
  test("a built-in, by a value and by a function", () => {
    const rules =
      "f(xs) := 10 * count(xs)\na := x if x := count([1]) with count as 5\nb := x if x := count([1, 2]) with count as f";
    expect(answer(rules, "a")).toBe(5);
    expect(answer(rules, "b")).toBe(20); // inside the replacement, count is itself again
  });

  test("a user function, also where another rule calls it", () => {
    expect(answer("f(x) := x\ng(x) := -x\nq := f(1)\np := x if x := q with f as g", "p")).toBe(-1);
  });

  test("an operator, for it is a built-in too", () => {
    expect(answer("p := x if x := 1 + 2 with plus as 7", "p")).toBe(7);
    expect(answer("p if 1 == 2 with equal as true", "p")).toBe(true);
  });

  test("a host function", () => {
    const host = [{ name: "ask", arity: 1, params: ["string" as const], result: "any" as const }];
    expect(answer('q := ask("a")\np := x if x := q with ask as 4', "p", {}, { host })).toBe(4);
  });

  test("a refused built-in may be named as a target but not called", () => {
    expect(refusals("p if true with http.send as {}")).toEqual([]);
    expect(refusals("p if http.send({})")).toEqual(["rego_type_error"]);
  });
});

test.each([
  ["a path below a rule", "q.r := 1\np if true with data.policy.q.r.z as 2", "rego_compile_error"],
  ["a local variable", "p if { x := 1; true with x as 2 }", "rego_type_error"],
  ["a relation", "p if { walk([1], [x, y]) with walk as 1 }", "rego_compile_error"],
  ["a position in an array", "p if input.a with input.a[0] as 1", "rego_type_error"],
  ["a function of another arity", "f(x, y) := x\np if count([1]) with count as f", "rego_type_error"],
])("refuses %s as a target", (_what, rules, code) => {
  expect(refusals(rules)).toContain(code);
});
