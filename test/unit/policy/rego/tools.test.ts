/** What people get to see: explanations, traces, coverage, prints, printed modules, positions of faults. */
import { describe, expect, test } from "@jest/globals";
import {
  Coverage,
  compilePolicy,
  evaluateQuery,
  explain,
  parseModule,
  printModule,
  renderWhyNot,
  traceEvaluation,
} from "../../../../src/policy/rego/index.ts";
import { policyOf } from "../../../support/rego.ts";

const RULES = `default allow := false

allow if {
	input.version == 1
	some s in input.submods
	s.status == "affirming"
	not debug
}

allow if input.admin

debug if input.debug != false`;

describe("why not", () => {
  const policy = policyOf(RULES);
  const whyNot = (input: unknown) => explain(policy, "data.policy.allow", { input }).whyNot;

  test("names for every definition the first literal that failed and the values it saw", () => {
    const { branches } = whyNot({ version: 2 });
    expect(branches.map(({ literal }) => literal?.text)).toEqual(["input.version == 1", "input.admin"]);
    expect(branches[0]?.seen).toEqual([{ text: "input.version", value: "2" }]);
    expect(branches[1]?.seen).toEqual([{ text: "input.admin", value: undefined }]);
  });

  test("names the literal that the search got furthest to", () => {
    const [first] = whyNot({ version: 1, submods: [{ status: "none" }, { status: "warning" }] }).branches;
    expect(first?.literal).toMatchObject({ text: 's.status == "affirming"', location: { row: 8 } });
    expect(first?.seen).toContainEqual({ text: "s.status", value: '"warning"' });
  });

  test("follows the rules that the literal asked", () => {
    const [first] = whyNot({ version: 1, submods: [{ status: "affirming" }], debug: true }).branches;
    expect(first?.literal?.text).toBe("not debug");
    expect(first?.because).toMatchObject([
      { rule: "data.policy.debug", value: "true", branches: [{ result: "succeeded" }] },
    ]);
  });

  test("cuts long values, which are evidence", () => {
    const [first] = whyNot({ version: "x".repeat(500) }).branches;
    expect(first?.seen[0]?.value?.length).toBeLessThanOrEqual(65);
  });

  test("reads as text", () => {
    expect(renderWhyNot(whyNot({ version: 2 }))).toBe(
      [
        "data.policy.allow is false",
        "  policy.rego:5: fails at line 6: input.version == 1",
        "    input.version is 2",
        "  policy.rego:12: fails at line 12: input.admin",
        "    input.admin is undefined",
      ].join("\n"),
    );
  });
});

test("a trace tells rules entered and left, literals tried, failed and tried again", () => {
  const { lines } = traceEvaluation(policyOf("p if { some x in [1, 2]; x > 1 }"), "data.policy.p");
  const events = lines.map((line) => line.replaceAll("| ", "").split(" ")[0]);
  expect(events).toEqual(["Enter", "Eval", "Eval", "Fail", "Redo", "Exit"]);
  expect(lines.at(-1)).toBe("Exit data.policy.p = true");
});

test("coverage counts the lines of literals and heads that ran", () => {
  const policy = policyOf(RULES);
  const coverage = new Coverage(policy);
  policy.evaluate("data.policy.allow", { input: { version: 1, submods: [] }, probe: coverage });
  const report = coverage.report().get("policy.rego");
  expect(report?.covered).toEqual([
    { start: { row: 6 }, end: { row: 7 } },
    { start: { row: 12 }, end: { row: 12 } },
  ]);
  expect(report?.not_covered).toEqual([
    { start: { row: 5 }, end: { row: 5 } },
    { start: { row: 8 }, end: { row: 9 } },
    { start: { row: 14 }, end: { row: 14 } },
  ]);
});

test("watching changes no answer", () => {
  const policy = policyOf(RULES);
  for (const input of [
    {},
    { admin: true },
    { version: 1, submods: [{ status: "affirming" }], debug: false },
  ]) {
    const plain = policy.evaluate("data.policy.allow", { input });
    const watched = explain(policy, "data.policy.allow", { input }).outcome;
    expect(watched.kind === "value" && watched.value).toBe(plain.kind === "value" && plain.value);
  }
});

describe("print", () => {
  const prints = (rules: string, input: unknown = {}) =>
    policyOf(rules).evaluate("data.policy.p", { input }).stats.prints;

  test("writes its arguments in text form, undefined ones too, and always succeeds", () => {
    expect(prints('p if print("a", 1, [true, "b"], input.missing)')).toEqual([
      'policy.rego:3: a 1 [true, "b"] <undefined>',
    ]);
  });

  test("writes a line for each solution of its arguments", () => {
    expect(prints("p if print(input.xs[_])", { xs: [1, 2] })).toEqual([
      "policy.rego:3: 1",
      "policy.rego:3: 2",
    ]);
  });
});

describe("printing a module", () => {
  const format = (text: string): string => {
    const { module } = parseModule(text, { file: "a.rego" });
    return module === undefined ? "no module" : printModule(module);
  };

  test("puts it into one style and keeps comments, raw strings and numbers as written", () => {
    const text = [
      "# head",
      "package   a # name",
      "p:=1e3",
      "q  if { input.x==1 ;  input.y # why",
      "  # last",
      "}",
      "r := `^\\d+$`",
    ].join("\n");
    expect(format(text)).toBe(
      [
        "# head",
        "package a # name",
        "",
        "p := 1e3",
        "",
        "q if {",
        "\tinput.x == 1",
        "\tinput.y # why",
        "\t# last",
        "}",
        "",
        "r := `^\\d+$`",
        "",
      ].join("\n"),
    );
  });

  test.each([
    "p := (1 + 2) * 3",
    "p := 1 - (2 - 3)",
    "p := [(a | b)]",
    "p := {(x | y): 1}",
    'p := ("a", "b" in c) == true',
    "p := -x.y",
    'p := a["b c"].d[0][x]',
    "p := [(x + 1) | some x in xs]",
    "p if {\n\t{1} == q\n}",
    "p if q == x | y",
  ])("keeps the meaning of %j", (rule) => {
    expect(format(`package a\n\n${rule}\n`)).toBe(`package a\n\n${rule}\n`);
  });
});

describe("faults tell their place", () => {
  test.each([
    ["p if {\n\tinput.x input.y\n}", "rego_parse_error", 4, 10],
    ["p if x == 1", "rego_unsafe_var_error", 3, 6],
    ["p if {\n\tx := 1\n\tx := 2\n}", "rego_compile_error", 5, 2],
    ["p := nosuch(1)", "rego_type_error", 3, 6],
    ["p if q\n\nq if not p", "rego_recursion_error", 3, 1],
    ["é := 1", "rego_parse_error", 3, 1],
    ['p := "é😀" )', "rego_parse_error", 3, 11],
  ])("%j", (rules, code, row, col) => {
    const { findings } = compilePolicy([{ file: "policy.rego", text: `package policy\n\n${rules}\n` }]);
    const [first] = findings.filter(({ severity }) => severity === "error");
    expect(first).toMatchObject({ code, row, col, file: "policy.rego" });
  });

  test("several faulty rules are told at once, twenty at most", () => {
    const text = `package policy\n${"p if {\n}}\n".repeat(50)}`;
    const { findings } = compilePolicy([{ file: "policy.rego", text }]);
    expect(findings).toHaveLength(20);
  });

  test("AS-105 policies in the older syntax get a hint", () => {
    const { findings } = compilePolicy([{ file: "policy.rego", text: "package policy\nallow { true }" }]);
    expect(findings[0]?.message).toMatch(/`if`.*v0/);
  });
});

describe("queries", () => {
  test("give bindings and the value of each expression", () => {
    const result = evaluateQuery(policyOf("xs := [1, 2]"), "x = data.policy.xs[i]; y := x * 2");
    expect(result.kind === "result" && result.solutions.map(({ bindings }) => ({ ...bindings }))).toEqual([
      { i: 0, x: 1, y: 2 },
      { i: 1, x: 2, y: 4 },
    ]);
  });

  test("tell false to a single question", () => {
    const result = evaluateQuery(policyOf("p := 1"), "data.policy.p == 2");
    expect(
      result.kind === "result" && result.solutions.map(({ expressions }) => expressions[0]?.value),
    ).toEqual([false]);
  });

  test.each([
    ["x ==", "rego_parse_error"],
    ["x == 1", "rego_unsafe_var_error"],
    ["nosuch(1)", "rego_type_error"],
  ])("%s is refused with a code", (text, code) => {
    const result = evaluateQuery(policyOf("p := 1"), text);
    expect(result.kind === "error" && result.errors[0]?.code).toBe(code);
  });
});
