/** Static checks and one-line expressions, against what OPA says about them. */
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { compilePolicy, evaluateQuery, type Finding } from "../../src/policy/rego/index.ts";
import { readJsonText } from "../../src/policy/rego/json.ts";
import { describeShared, sharedPath } from "../support/shared.ts";

interface StaticCase {
  readonly id: string;
  readonly dialect: "v0" | "v1";
  readonly module: string;
  readonly opa: "accept" | "reject";
  readonly errors?: readonly { readonly code: string; readonly row: number; readonly col: number }[];
}

/** Template strings are newer than the OPA that the verdicts come from. */
const NEWER = new Set(["parse/template-string"]);

function read<T>(file: string): readonly T[] {
  const document = readJsonText(readFileSync(sharedPath("opa-conformance", file), "utf8"));
  return (document as { cases: readonly T[] }).cases; // the documented form of these files
}

describeShared("static checks", "opa-conformance", () => {
  for (const testCase of read<StaticCase>("static-checks.json")) {
    if (NEWER.has(testCase.id)) continue;
    test(`${testCase.id} (${testCase.dialect}) is ${testCase.opa}ed like OPA does`, () => {
      const { findings } = compilePolicy([{ file: "policy.rego", text: testCase.module }], {
        dialect: testCase.dialect,
      });
      const errors = findings.filter((finding) => finding.severity === "error");
      if (testCase.opa === "accept") expect(errors).toEqual([]);
      else expectRejection(testCase, errors, findings);
    });
  }
});

/** Types and wildcards in negations are warnings here; a warning in the same row says the same. */
function expectRejection(testCase: StaticCase, errors: readonly Finding[], all: readonly Finding[]): void {
  const [wanted] = testCase.errors ?? [];
  const [first] = errors;
  const row = wanted?.col === 0 ? undefined : wanted?.row; // column 0 is OPA's end of file, which is no place
  if (first === undefined) expect(all.map((finding) => finding.row)).toContain(wanted?.row);
  else {
    expect(first.code).toBe(wanted?.code);
    if (row !== undefined) expect(first.row).toBe(row);
  }
}

interface Answer {
  readonly value?: unknown;
  readonly values?: readonly unknown[];
  readonly undefined?: boolean;
  readonly error?: string;
}
interface ExpressionCase {
  readonly expr: string;
  readonly lenient: Answer;
  readonly strict: Answer;
}

/** Of the tier that is optional. */
const OPTIONAL = ["yaml.", "json.match_schema"];

describeShared("expressions", "opa-conformance", () => {
  for (const { expr, ...wanted } of read<ExpressionCase>("expressions.json")) {
    if (OPTIONAL.some((name) => expr.startsWith(name))) continue;
    for (const mode of ["lenient", "strict"] as const) {
      test(`${mode}: ${expr}`, () => expectAnswer(expr, mode === "strict", wanted[mode]));
    }
  }
});

function expectAnswer(expr: string, strict: boolean, wanted: Answer): void {
  const { policy, findings } = compilePolicy([{ file: "e.rego", text: `package e\nx := ${expr}` }]);
  const wantedCode = wanted.error?.split(":")[0];
  if (policy === undefined) {
    expect(findings.find((finding) => finding.severity === "error")?.code).toBe(wantedCode);
    return;
  }
  if (wantedCode === "rego_type_error") {
    expect(findings.map((finding) => finding.code)).toContain("rego_type_error");
    return;
  }
  const result = evaluateQuery(policy, `x := ${expr}`, { input: { a: 1 }, strict });
  if (result.kind === "error") {
    expect(result.errors[0]?.code).toBe(wantedCode);
    return;
  }
  expect(wantedCode).toBeUndefined();
  const values = result.solutions.map((solution) => solution.bindings["x"]);
  const expected = wanted.undefined === true ? [] : (wanted.values ?? [wanted.value]);
  expect(near(values, expected)).toBe(true);
}

/** Fractions are doubles here and 64-bit mantissas in OPA; its reading of huge integers goes through a double too. */
function near(a: unknown, b: unknown): boolean {
  if (isNumber(a) && isNumber(b)) return Math.abs(Number(a) - Number(b)) <= 1e-15 * Math.abs(Number(b));
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const names = Object.keys(a);
  const other = b as Record<string, unknown>; // an object, as just established
  const own = a as Record<string, unknown>;
  return names.length === Object.keys(b).length && names.every((name) => near(own[name], other[name]));
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}
