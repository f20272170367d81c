/** Arbitrary queries with bindings: what `opa eval` prints. */
import { Bound } from "./analysis/bound.ts";
import { Environment } from "./analysis/environment.ts";
import type { IBody, ILiteral, ITerm } from "./analysis/ir.ts";
import { Variable } from "./analysis/ir.ts";
import { declaredNames } from "./analysis/names.ts";
import type { LiteralPlan } from "./analysis/plan.ts";
import { Problems } from "./analysis/problems.ts";
import { BodyResolver } from "./analysis/resolve-body.ts";
import { SafetyPlanner } from "./analysis/safety.ts";
import { Scope } from "./analysis/scope.ts";
import type { Body, Dialect, Module, Term } from "./ast.ts";
import type { Next } from "./compile/steps.ts";
import { StepCompiler } from "./compile/steps.ts";
import { BudgetError, type Location, RegoParseError } from "./errors.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import { toJson } from "./json.ts";
import { parseQuery } from "./parser/index.ts";
import type { Policy } from "./policy.ts";
import { asEvalError, checkSize, type EvaluationRequest, newEvaluation } from "./run.ts";
import type { Value } from "./value.ts";

export interface QueryExpression {
  readonly value: unknown;
  readonly text: string;
  readonly location: { readonly row: number; readonly col: number };
}
export interface QuerySolution {
  readonly expressions: readonly QueryExpression[];
  readonly bindings: Readonly<Record<string, unknown>>;
}
export interface QueryError {
  readonly code: string;
  readonly message: string;
  readonly location?: { readonly file: string; readonly row: number; readonly col: number };
}
export type QueryResult =
  | {
      readonly kind: "result";
      readonly solutions: readonly QuerySolution[];
      readonly prints: readonly string[];
    }
  | { readonly kind: "error"; readonly errors: readonly QueryError[]; readonly prints: readonly string[] };

const NOWHERE: Location = { file: "", row: 1, col: 1, endRow: 1, endCol: 1 };

/** Evaluates a query against a policy. @throws NeedHostValue; nothing else */
export function evaluateQuery(
  policy: Policy,
  text: string,
  request: EvaluationRequest = {},
  dialect: Dialect = "v1",
): QueryResult {
  const problems = new Problems();
  let query: CompiledQuery;
  try {
    query = compileQuery(policy, parseQuery(text, "", dialect), dialect, problems);
  } catch (error) {
    if (error instanceof RegoParseError) return { kind: "error", errors: [queryError(error)], prints: [] };
    return { kind: "error", errors: [queryError(asEvalError(error))], prints: [] };
  }
  if (problems.hasErrors) {
    const errors = problems.findings
      .filter((finding) => finding.severity === "error")
      .map(({ code, message, file, row, col }) => ({ code, message, location: { file, row, col } }));
    return { kind: "error", errors, prints: [] };
  }
  return runQuery(policy, query, text, request);
}

function queryError(error: { code: string; message: string; location?: Location | undefined }): QueryError {
  const { code, message, location } = error;
  if (location === undefined) return { code, message };
  return { code, message, location: { file: location.file, row: location.row, col: location.col } };
}

interface CompiledQuery {
  readonly compiler: StepCompiler;
  readonly body: (next: Next) => Next;
  /** For each literal of the text the variable that holds its value, where it has one. */
  readonly values: readonly (Variable | undefined)[];
  readonly names: ReadonlyMap<string, Variable>;
  readonly source: Body;
}

function compileQuery(policy: Policy, source: Body, dialect: Dialect, problems: Problems): CompiledQuery {
  const module: Module = {
    file: "",
    dialect,
    packagePath: [],
    packageLoc: NOWHERE,
    imports: [],
    rules: [],
    comments: [],
    lines: [],
  };
  const env = new Environment({ ...policy.analysis.world, problems }, module);
  const scope = new Scope(undefined, declaredNames(source));
  const body = new BodyResolver(env).body(source, scope);
  const names = new Map([...scope.names()].filter(([name]) => name !== "_"));
  const values = body.literals.map(valueVariable);
  const captured: IBody = {
    free: body.free,
    literals: body.literals.map((literal, at) => capture(literal, values[at])),
  };
  const plans = problems.hasErrors ? [] : plan(body, captured, problems);
  const compiler = new StepCompiler(policy.program.root, policy.program.functions);
  return { compiler, body: (next) => compiler.body(plans, next), values, names, source };
}

/** What is unsafe is told of the text as it was written, without the helpers that capture values. */
function plan(written: IBody, captured: IBody, problems: Problems): readonly LiteralPlan[] {
  const trial = new Problems();
  const plans = new SafetyPlanner(trial).body(captured, new Bound());
  if (trial.hasErrors) new SafetyPlanner(problems).body(written, new Bound());
  return plans;
}

/** A plain expression has a value of its own to show; a condition shows `true`. */
function valueVariable(literal: ILiteral): Variable | undefined {
  return literal.statement.k === "term" && !literal.negated ? new Variable("", literal.loc, true) : undefined;
}

function capture(literal: ILiteral, variable: Variable | undefined): ILiteral {
  if (variable === undefined || literal.statement.k !== "term") return literal;
  const left: ITerm = { t: "var", variable, loc: literal.loc };
  return { ...literal, statement: { k: "unify", left, right: literal.statement.term } };
}

function runQuery(
  policy: Policy,
  query: CompiledQuery,
  text: string,
  request: EvaluationRequest,
): QueryResult {
  const e = newEvaluation(policy, policy.program, request);
  const solutions: QuerySolution[] = [];
  const isSingle = query.source.length === 1 && !query.source.some((literal) => iterates(literal.statement));
  const size = new ResultSize(e.limits.resultBytes);
  const texts = literalTexts(query.source, text);
  const start = query.body((f, evaluation) => {
    evaluation.cells(1);
    const solution = solutionOf(query, texts, f, isSingle, size);
    if (solution !== undefined) solutions.push(solution);
    return false;
  });
  try {
    const frame: Frame = new Array<Value | undefined>(query.compiler.frameSize).fill(undefined);
    start(frame, e);
    return { kind: "result", solutions, prints: e.prints };
  } catch (error) {
    return { kind: "error", errors: [queryError(asEvalError(error))], prints: e.prints };
  }
}

/** What all solutions together may still take. */
class ResultSize {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** @throws BudgetError */
  json(value: Value): unknown {
    this.#left -= checkSize(value, { resultBytes: this.#left });
    if (this.#left < 0) throw new BudgetError("resultBytes");
    return toJson(value);
  }

  /** @throws BudgetError */
  text(text: string): string {
    this.#left -= text.length;
    if (this.#left < 0) throw new BudgetError("resultBytes");
    return text;
  }
}

/** Each literal as it was written; of one over several lines the first. */
function literalTexts(source: Body, text: string): readonly string[] {
  const lines = text.split("\n");
  return source.map(({ loc: { row, col, endRow, endCol } }) => {
    const line = lines[row - 1] ?? "";
    return row === endRow ? [...line].slice(col - 1, endCol - 1).join("") : line.trim();
  });
}

/** `false` is an answer to a single question, but a failed condition among several. */
function solutionOf(
  query: CompiledQuery,
  texts: readonly string[],
  f: Frame,
  falseIsAnswer: boolean,
  size: ResultSize,
): QuerySolution | undefined {
  const expressions: QueryExpression[] = [];
  for (const [at, literal] of query.source.entries()) {
    const variable = query.values[at];
    const value = variable === undefined ? true : f[query.compiler.slot(variable)];
    if (value === undefined || (value === false && !falseIsAnswer)) return undefined;
    const { row, col } = literal.loc;
    expressions.push({ value: size.json(value), text: size.text(texts[at] ?? ""), location: { row, col } });
  }
  const bindings: Record<string, unknown> = Object.create(null);
  for (const [name, variable] of query.names) {
    const value = f[query.compiler.slot(variable)];
    if (value !== undefined) bindings[name] = size.json(value);
  }
  return { expressions, bindings };
}

function iterates(statement: Body[number]["statement"]): boolean {
  if (statement.kind !== "expr") return false;
  let found = false;
  const visit = (term: Term): void => {
    if (term.kind === "ref") {
      if (term.path.some((step) => step.kind === "var")) found = true;
      for (const step of term.path) visit(step);
      visit(term.head);
    } else if (term.kind === "call") for (const arg of term.args) visit(arg);
  };
  visit(statement.term);
  return found;
}

/** Reads a term that consists of values only, sets and keys of any type included. Undefined when it is none. */
export function parseGroundTerm(policy: Policy, text: string): Value | undefined {
  const problems = new Problems();
  const name = "value";
  const source = parseQuery(`${name} = ${text}`);
  const query = compileQuery(policy, source, "v1", problems);
  if (problems.hasErrors) return undefined;
  const e: Evaluation = newEvaluation(policy, policy.program, {});
  let value: Value | undefined;
  const start = query.body((f) => {
    const variable = query.names.get(name);
    value = variable === undefined ? undefined : f[query.compiler.slot(variable)];
    return true;
  });
  start(new Array<Value | undefined>(query.compiler.frameSize + 8).fill(undefined), e);
  return value;
}
