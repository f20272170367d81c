/** Rego: parse, check, compile, evaluate. Knows nothing of the rest of the house. */

export type { HostFunction, HostType } from "./analysis/ir.ts";
export type { Finding } from "./analysis/problems.ts";
export type * from "./ast.ts";
export { DEFAULT_LIMITS, type Limits } from "./budget.ts";
export { Coverage, type FileCoverage, percentage, type RowRange } from "./coverage.ts";
export {
  BudgetError,
  BuiltinError,
  type Location,
  RegoCompileError,
  RegoEvalError,
  RegoParseError,
} from "./errors.ts";
export { type HostResolver, NeedHostValue } from "./evaluation.ts";
export {
  type BranchReport,
  type ExplainOptions,
  type Explanation,
  explain,
  type HeldLiteral,
  renderWhyNot,
  type SeenValue,
  type WhyNot,
} from "./explain.ts";
export { explainMembers, type MemberReport, type MembersExplanation } from "./explain-members.ts";
export { type FormatResult, formatModule } from "./format.ts";
export type { AnswerShape, HostUse, HostUses } from "./host-uses.ts";
export { fromJson, JsonTextError, readJsonText, toJson } from "./json.ts";
export type { InputNames, LintProfile } from "./lint/index.ts";
export { parseModule, parseQuery } from "./parser/index.ts";
export { type CompileOptions, type CompileResult, compilePolicy, type ModuleText, Policy } from "./policy.ts";
export { printModule, printTerm } from "./printer/module.ts";
export type { Probe } from "./probe.ts";
export { evaluateQuery, type QueryError, type QueryResult, type QuerySolution } from "./query.ts";
export type { EvaluationRequest, HostCall, Outcome, Stats } from "./run.ts";
export { type Trace, traceEvaluation } from "./trace.ts";
export { runUnitTests, type TestOutcome, type TestResult } from "./unit-tests.ts";
export type { Value } from "./value.ts";
