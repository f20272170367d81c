/** Small policies around the constructs that decide releases: what each must answer. */
export interface DangerCase {
  readonly rules: string;
  readonly input?: unknown;
  /** The value of `p`, `"undefined"`, or the code of the error. */
  readonly answer: unknown;
}

/** A value that its host function cannot give at once: the evaluation must not go on without it. */
export const NEEDED = "needs a host value";

export const DANGERS: readonly DangerCase[] = [
  // not
  { rules: "p if not input.a", input: { a: true }, answer: "undefined" },
  { rules: "p if not input.a", input: { a: false }, answer: true },
  { rules: "p if not input.a", input: {}, answer: true },
  { rules: "p if not to_number(input.a) == 1", input: { a: "x" }, answer: "eval_builtin_error" },
  { rules: "q := x if some x in [1, 2]\np if not q == 3", answer: "eval_conflict_error" },
  { rules: "p if not input.xs[i] == 1", input: { xs: [1] }, answer: "does not compile" },
  { rules: "p if not input.xs[_] == 2", input: { xs: [1, 2] }, answer: "undefined" },
  // truth
  { rules: "p if input.a", input: { a: false }, answer: "undefined" },
  { rules: "p if input.a", input: {}, answer: "undefined" },
  { rules: "p if input.a", input: { a: null }, answer: true },
  { rules: "p if input.a != 1", input: {}, answer: "undefined" },
  // complete rules and default
  { rules: "default p := false\np if input.a", input: { a: 1 }, answer: true },
  { rules: "default p := false\np if input.a", input: {}, answer: false },
  {
    rules: "p := true if input.a\np := false if input.b",
    input: { a: 1, b: 1 },
    answer: "eval_conflict_error",
  },
  { rules: "p := true if input.a\np := false if input.b", input: { b: 1 }, answer: false },
  { rules: "p := x if some x in input.xs", input: { xs: [true, false] }, answer: "eval_conflict_error" },
  { rules: "default p := 0\np := 1 if input.a\np := 2 if input.b", input: { a: 1 }, answer: 1 },
  { rules: "default f(_) := false\nf(x) if x == 1\np := f(2)", answer: false },
  { rules: "p if data[input.k].p", input: { k: "policy" }, answer: "eval_internal_error" },
  // else
  { rules: "p := 1 if input.a else := 2 if input.b else := 3", input: { a: 1, b: 1 }, answer: 1 },
  { rules: "p := 1 if input.a else := 2 if input.b else := 3", input: { b: 1 }, answer: 2 },
  { rules: "p := 1 if input.a else := 2 if input.b else := 3", input: {}, answer: 3 },
  { rules: "p := false if input.a else := true", input: { a: 1 }, answer: false },
  // every
  { rules: "p if every x in input.xs { x == 1 }", input: { xs: [1, 1] }, answer: true },
  { rules: "p if every x in input.xs { x == 1 }", input: { xs: [1, 2] }, answer: "undefined" },
  { rules: "p if every x in input.xs { x == 1 }", input: { xs: [2, 1] }, answer: "undefined" },
  { rules: "p if every x in input.xs { x == 1 }", input: { xs: [] }, answer: true },
  { rules: "p if every x in input.xs { x == 1 }", input: { xs: 5 }, answer: "undefined" },
  { rules: "p if every x in input.xs { x == 1 }", input: {}, answer: "undefined" },
  // with
  {
    rules: "q := input.a\np := [x, y] if { x := q with input.a as 1; y := q }",
    input: { a: 2 },
    answer: [1, 2],
  },
  {
    rules: "q := input.a\np := [x, y] if { x := q; y := q with input.a as 1 }",
    input: { a: 2 },
    answer: [2, 1],
  },
  {
    rules: "p := [[x, y] | some x in input.a with input.a as [1, 2]; y := input.b]",
    input: { b: 3 },
    answer: [
      [1, 3],
      [2, 3],
    ],
  },
  {
    rules: "p := [[x, y] | some x in input.a with input.a as [1]; y := input.a]",
    input: { a: 3 },
    answer: [[1, 3]],
  },
  { rules: "q := 1\np := [x, y] if { x := q with data.policy.q as 2; y := q }", answer: [2, 1] },
  { rules: "f(xs) := 10 * count(xs)\np := x if x := count([1]) with count as f", answer: 10 },
  { rules: "p if true with input as input.missing", input: {}, answer: "undefined" },
  // iteration, patterns, functions
  { rules: "p if { some x in input.xs; x == 2 }", input: { xs: [1, 2] }, answer: true },
  { rules: "p if input.xs[_] == 2", input: { xs: [1, 2] }, answer: true },
  { rules: 'p if { some k, x in input.xs; x == 2; k == "b" }', input: { xs: { a: 1, b: 2 } }, answer: true },
  { rules: "p if { [x, y] = input.xs; x != y }", input: { xs: [1, 2, 3] }, answer: "undefined" },
  { rules: "p if { [x, _] = input.xs; x == 1 }", input: { xs: [1] }, answer: "undefined" },
  { rules: 'p if { {"a": x} = input; x }', input: { a: 1, b: 2 }, answer: "undefined" },
  { rules: "f(1) := true\np if f(input.a)", input: { a: 2 }, answer: "undefined" },
  { rules: "f(x) := true if x > 1\nf(x) := false if x > 2\np := f(3)", answer: "eval_conflict_error" },
  {
    rules: 'o["a"] := 1\no[k] := 2 if some k in input.ks\np := o.a',
    input: { ks: ["a"] },
    answer: "eval_conflict_error",
  },
  // limits and hosts
  { rules: "p if count([x | some x in numbers.range(1, 9000)]) > 0", answer: "eval_budget_error" },
  { rules: 'p if ask("a") == null', answer: NEEDED },
];
