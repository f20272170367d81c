/** Policies and evidence that mean harm: each ends in a named limit, and none overflows the stack. */
import { describe, expect, test } from "@jest/globals";
import { compilePolicy, type EvaluationRequest } from "../../../../src/policy/rego/index.ts";
import { policyOf, told } from "../../../support/rego.ts";

const many = Array.from({ length: 2_000 }, (_, id) => ({ id }));
const repeat = (count: number, make: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => make(at)).join("\n");

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

function limitOf(rules: string, request: EvaluationRequest = {}): string {
  const outcome = policyOf(rules).evaluate("data.policy.p", {
    ...request,
    limits: { wallClockMilliseconds: 60_000, ...request.limits },
  });
  if (outcome.kind !== "error") return outcome.kind;
  expect(outcome.error.code).toBe("eval_budget_error");
  return outcome.error.message.split('"')[1] ?? "";
}

describe("ends in a named limit", () => {
  test("three loops inside each other", () => {
    const rules = "p if { some a in input; some b in input; some c in input; a.id + b.id == c.id + 100000 }";
    expect(limitOf(rules, { input: many, limits: { steps: 200_000 } })).toBe("steps");
  });

  test("the same when only time is short", () => {
    const rules = "p if { some a in input; some b in input; some c in input; a.id + b.id == c.id + 100000 }";
    expect(limitOf(rules, { input: many, limits: { wallClockMilliseconds: 20 } })).toBe(
      "wallClockMilliseconds",
    );
  });

  test("a range of a million million", () => {
    expect(limitOf("p := numbers.range(0, 1000000000000)")).toBe("cells");
  });

  test("text doubled sixty times", () => {
    const rules = `s0 := "aaaaaaaaaaaaaaaa"\n${repeat(60, (at) => `s${at + 1} := concat("", [s${at}, s${at}])`)}\np := count(s60)`;
    expect(limitOf(rules)).toBe("stringLength");
  });

  test("a comprehension over pairs of everything", () => {
    expect(limitOf("p := [[a, b] | some a in input; some b in input]", { input: many })).toBe("cells");
  });

  test("numbers squared forty times", () => {
    const rules = `x0 := 99999999999\n${repeat(40, (at) => `x${at + 1} := x${at} * x${at}`)}\np if x40 > 0`;
    expect(limitOf(rules)).toBe("bigintBits");
  });

  test("functions that call each other two thousand deep", () => {
    const rules = `${repeat(2_000, (at) => `f${at}(x) := f${at + 1}(x) + 1`)}\nf2000(x) := x\np := f0(1)`;
    expect(["depth", "nativeDepth"]).toContain(limitOf(rules));
  });

  test("bodies in bodies in rules that need each other", () => {
    const rule = (at: number): string =>
      `r${at} if { every x in [1] { some y in [1]; every z in [1] { not r${at + 1} == 4; x == y; z == 1 } } }`;
    expect(limitOf(`${repeat(400, rule)}\nr400 := 1\np if r0`)).toBe("nativeDepth");
  });

  test("a body of nine thousand searches", () => {
    expect(limitOf(`p if {\n${repeat(9_000, (at) => `some x${at} in [1]`)}\n}`)).toBe("nativeDepth");
  });

  test("documents ten thousand levels deep", () => {
    expect(limitOf("p if input.a == input.b", { input: { a: nested(10_000), b: nested(10_000) } })).toBe(
      "valueDepth",
    );
    expect(limitOf("p := input", { input: nested(10_000) })).toBe("valueDepth");
  });

  test("an answer of many megabytes", () => {
    expect(limitOf("p := [input, input, input]", { input: Array(200_000).fill("text") })).toBe("resultBytes");
  });
});

test("a long body of plain conditions is no problem", () => {
  const rules = `p if {\n${repeat(10_000, (at) => `input.a${at % 7} == 1`)}\n}`;
  const input = { a0: 1, a1: 1, a2: 1, a3: 1, a4: 1, a5: 1, a6: 1 };
  expect(
    told(policyOf(rules).evaluate("data.policy.p", { input, limits: { wallClockMilliseconds: 60_000 } })),
  ).toBe(true);
});

test("printing without end changes no answer and keeps its output small", () => {
  const outcome = policyOf("p if { every x in input { print(x, input) } }").evaluate("data.policy.p", {
    input: many,
    limits: { wallClockMilliseconds: 60_000 },
  });
  expect(told(outcome)).toBe(true);
  expect(outcome.stats.prints.join("\n").length).toBeLessThanOrEqual(64 * 1024);
});

describe("text that nests, repeats or never ends is refused with a place in it", () => {
  test.each([
    ["brackets", `x := ${"[".repeat(100_000)}`],
    ["braces", `x := ${'{"a":'.repeat(60_000)}`],
    ["parentheses", `x := ${"(".repeat(100_000)}`],
    ["calls", `x := ${"f(".repeat(50_000)}`],
    ["comprehensions", `x := ${"[y | y := ".repeat(1_000)}`],
    ["every", `p if ${"every x in [1] { ".repeat(1_000)}`],
    ["negations", `p if ${"not ".repeat(10_000)}x`],
    ["minus signs", `x := ${"-".repeat(10_000)}1`],
    ["sums", `x := 1${"+1".repeat(10_000)}`],
    ["steps", `x := input${".b".repeat(10_000)}`],
    ["indexes", `x := input${"[0]".repeat(10_000)}`],
    ["templates", `x := ${'$"{'.repeat(5_000)}`],
    ["a number", `x := ${"1".repeat(500_000)}`],
    ["a string", `x := "${"a".repeat(500_000)}`],
    [
      "variables that wait for each other",
      `p if { [${Array.from({ length: 3_000 }, (_, at) => `x${at}`).join()}] = [${Array.from({ length: 3_000 }, (_, at) => `x${at + 1}`).join()}]; x3000 = 1 }`,
    ],
    ["a package", `${"a.".repeat(10_000)}b := 1`],
  ])("%s", (_what, rules) => {
    const { policy, findings } = compilePolicy([{ file: "policy.rego", text: `package policy\n${rules}` }]);
    expect(policy).toBeUndefined();
    expect(findings[0]).toMatchObject({ severity: "error", file: "policy.rego" });
    expect(findings[0]?.row).toBeGreaterThan(0);
  });

  test("and so are more than 1 MiB, and more than 10 000 rules", () => {
    const long = compilePolicy([{ file: "a", text: `package a\n#${"x".repeat(1024 * 1024)}` }]);
    const wide = compilePolicy([{ file: "a", text: `package a\n${"x := 1\n".repeat(10_001)}` }]);
    expect([long.policy, wide.policy]).toEqual([undefined, undefined]);
  });
});

test("rules in a chain of thousands compile without overflowing the stack", () => {
  const rules = `${repeat(5_000, (at) => `r${at} if r${at + 1}`)}\nr5000 := true`;
  expect(policyOf(rules).entryPoints).toHaveLength(5_001);
});
