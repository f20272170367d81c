/**
 * Unit tests in OPA's convention: a rule `test_…` passes when its value is `true`; `todo_test_…` waits to be
 * written. Fixtures and answers of functions are given with `with`.
 */
import { performance } from "node:perf_hooks";
import { dataPath, type TreeNode } from "./analysis/tree.ts";
import type { RegoEvalError } from "./errors.ts";
import { explain } from "./explain.ts";
import type { Policy } from "./policy.ts";
import type { EvaluationRequest, Outcome } from "./run.ts";

export type TestOutcome = "pass" | "fail" | "error" | "todo";

export interface TestResult {
  /** `data.policy_test`. */
  readonly package: string;
  readonly name: string;
  readonly location: { readonly file: string; readonly row: number; readonly col: number };
  readonly outcome: TestOutcome;
  readonly milliseconds: number;
  /** Why it is no pass, in one line. */
  readonly reason?: string;
  /** Lines of `print`. */
  readonly prints: readonly string[];
}

export interface TestRun extends Pick<EvaluationRequest, "host" | "nowNs" | "probe" | "limits" | "data"> {
  /** Only tests that stand in these files; all of them when absent. */
  readonly files?: ReadonlySet<string>;
}

/** Runs every test of a policy, in the order of the text. */
export function runUnitTests(policy: Policy, run: TestRun): readonly TestResult[] {
  return testRules(policy)
    .filter(({ file }) => run.files?.has(file) ?? true)
    .map((rule) => runTest(policy, rule, run));
}

interface TestRule {
  readonly path: string;
  readonly package: string;
  readonly name: string;
  readonly file: string;
  readonly row: number;
  readonly col: number;
  /** Why it is no test, whatever its value. */
  readonly fault: string | undefined;
}

function testRules(policy: Policy): readonly TestRule[] {
  const rules = [...policy.analysis.tree.descendants()].flatMap((node) => testRule(node) ?? []);
  return rules.sort((a, b) => (a.file === b.file ? a.row - b.row : a.file < b.file ? -1 : 1));
}

function testRule(node: TreeNode): TestRule | undefined {
  const [definition] = node.definitions;
  const name = node.step;
  if (definition === undefined || node.isFunction || typeof name !== "string" || !isTestName(name))
    return undefined;
  const { file, row, col } = definition.loc;
  const home = dataPath(node.path.slice(0, -1));
  return { path: dataPath(node.path), package: home, name, file, row, col, fault: faultOf(node) };
}

/** One of two tests of the same name would hide that the other fails; of a set nobody sees what is missing. */
function faultOf(node: TreeNode): string | undefined {
  const definitions = node.definitions.filter(({ rule }) => !rule.isDefault);
  if (node.isDynamic || definitions.some(({ kind }) => kind === "set")) return "a partial rule is no test";
  return definitions.length > 1 ? `there are ${definitions.length} tests of this name` : undefined;
}

/** Whether a rule of that name is a test, or one that is still to be written. */
export function isTestName(name: string): boolean {
  return name.startsWith("test_") || name.startsWith("todo_test_");
}

function runTest(policy: Policy, rule: TestRule, run: TestRun): TestResult {
  const { file, row, col } = rule;
  const common = { package: rule.package, name: rule.name, location: { file, row, col } };
  if (rule.name.startsWith("todo_")) return { ...common, outcome: "todo", milliseconds: 0, prints: [] };
  if (rule.fault !== undefined)
    return { ...common, outcome: "error", reason: rule.fault, milliseconds: 0, prints: [] };
  const start = performance.now();
  const outcome = policy.evaluate(rule.path, requestOf(run));
  const milliseconds = performance.now() - start;
  const judged = verdict(outcome);
  const reason = judged.outcome === "fail" ? failedAt(policy, rule, run) : undefined;
  return {
    ...common,
    milliseconds,
    prints: outcome.stats.prints,
    ...judged,
    ...(reason === undefined ? {} : { reason: `${judged.reason}: ${reason}` }),
  };
}

/** The first literal of the test that does not hold. */
function failedAt(policy: Policy, rule: TestRule, run: TestRun): string | undefined {
  const { probe: _, ...request } = requestOf(run);
  const { branches } = explain(policy, rule.path, request).whyNot;
  const literal = branches.find((branch) => branch.literal !== undefined)?.literal;
  return literal === undefined ? undefined : `line ${literal.location.row}: ${literal.text}`;
}

function requestOf({ host, nowNs, probe, limits, data }: TestRun): EvaluationRequest {
  return {
    ...(host === undefined ? {} : { host }),
    ...(nowNs === undefined ? {} : { nowNs }),
    ...(probe === undefined ? {} : { probe }),
    ...(limits === undefined ? {} : { limits }),
    ...(data === undefined ? {} : { data }),
  };
}

function verdict(outcome: Outcome): Pick<TestResult, "outcome" | "reason"> {
  if (outcome.kind === "error") return { outcome: "error", reason: errorLine(outcome.error) };
  if (outcome.kind === "undefined") return { outcome: "fail", reason: "undefined" };
  if (outcome.value === true) return { outcome: "pass" };
  return { outcome: "fail", reason: outcome.value === false ? "false" : "its value is not true" };
}

function errorLine({ code, message, location }: RegoEvalError): string {
  const place = location === undefined ? "" : `${location.file}:${location.row}:${location.col}: `;
  return `${place}${code}: ${message}`;
}
