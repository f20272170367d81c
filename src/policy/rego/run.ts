/** Running a compiled policy: requests in, outcomes out. */
import { randomBytes } from "node:crypto";
import type { Limits } from "./budget.ts";
import { RArray, RObject, RSet } from "./collections.ts";
import type { Program } from "./compile/program.ts";
import { dynamicPath } from "./compile/values.ts";
import { BudgetError, RegoEvalError } from "./errors.ts";
import { Evaluation, type HostResolver, NeedHostValue } from "./evaluation.ts";
import { fromJson, marshalJson, toJson } from "./json.ts";
import { parseQuery } from "./parser/index.ts";
import type { Policy } from "./policy.ts";
import type { Probe } from "./probe.ts";
import type { Value } from "./value.ts";

export interface EvaluationRequest {
  /** Plain JSON (bigint for integers beyond 2^53), read lazily; or a value. Absent: every `input` is undefined. */
  readonly input?: unknown;
  readonly data?: unknown;
  readonly host?: HostResolver;
  readonly limits?: Partial<Limits>;
  /** Nanoseconds since 1970. Absent: policies see the epoch, for the engine reads no clock. */
  readonly nowNs?: bigint;
  readonly randomBytes?: (count: number) => Uint8Array;
  /** A failing built-in ends the evaluation. On unless switched off. */
  readonly strict?: boolean;
  /** Watches the evaluation; it then runs the policy as compiled with probes, which is slower. */
  readonly probe?: Probe;
  readonly cancelled?: () => boolean;
}

export interface HostCall {
  readonly name: string;
  readonly args: readonly Value[];
  readonly value: Value;
}

/** What an evaluation leaves behind, whatever its outcome. */
export interface Stats {
  readonly steps: number;
  readonly cells: number;
  /** Lines of `print`, with their place in front. */
  readonly prints: readonly string[];
  /** Texts of `trace`. */
  readonly notes: readonly string[];
  /** Errors of built-ins that a lenient evaluation went past. */
  readonly diagnostics: readonly RegoEvalError[];
  /** What was asked of the host, and the answers. */
  readonly hostCalls: readonly HostCall[];
}

export type Outcome =
  | { readonly kind: "value"; readonly value: unknown; readonly stats: Stats }
  | { readonly kind: "undefined"; readonly stats: Stats }
  | { readonly kind: "error"; readonly error: RegoEvalError; readonly stats: Stats };

/** Evaluates one document. @throws NeedHostValue; nothing else */
export function evaluateRule(policy: Policy, rulePath: string, request: EvaluationRequest): Outcome {
  const program = request.probe === undefined ? policy.program : policy.probed;
  const e = newEvaluation(policy, program, request);
  return settle(e, () => dynamicPath(program.root, parsePath(policy, rulePath), e));
}

export function newEvaluation(policy: Policy, program: Program, request: EvaluationRequest): Evaluation {
  return new Evaluation({
    input: request.input === undefined ? undefined : asValue(request.input),
    data: request.data === undefined ? RObject.EMPTY : asValue(request.data),
    host: request.host ?? noHost,
    limits: request.limits === undefined ? policy.limits : { ...policy.limits, ...request.limits },
    nowNs: request.nowNs ?? 0n,
    randomBytes: request.randomBytes ?? randomBytes,
    strict: request.strict ?? true,
    documents: program.documents,
    regexCache: policy.regexCache,
    probe: request.probe,
    cancelled: request.cancelled,
  });
}

function noHost(): undefined {
  return undefined;
}

export function asValue(document: unknown): Value {
  if (document instanceof RObject || document instanceof RArray || document instanceof RSet) return document;
  return fromJson(document);
}

/** Runs, and turns whatever ends the run into an outcome. */
export function settle(e: Evaluation, run: () => Value | undefined): Outcome {
  try {
    const value = run();
    if (value === undefined) return { kind: "undefined", stats: statsOf(e) };
    if (!isSurelySmall(value, e.limits)) checkSize(value, e.limits);
    return { kind: "value", value: toJson(value), stats: statsOf(e) };
  } catch (error) {
    return { kind: "error", error: asEvalError(error), stats: statsOf(e) };
  }
}

function statsOf(e: Evaluation): Stats {
  const { budget, prints, notes, diagnostics, hostCalls } = e;
  return { steps: budget.stepsUsed, cells: budget.cellsUsed, prints, notes, diagnostics, hostCalls };
}

/** Most characters of JSON that one node of weight takes: an integer of 16,384 bits has 4,933 digits. */
const MAX_NODE_CHARACTERS = 5_000;

/**
 * Measured before it is turned into JSON: what is too large is not even converted.
 *
 * @returns characters of JSON, roughly
 * @throws BudgetError
 */
export function checkSize(value: Value, limits: Pick<Limits, "resultBytes">): number {
  if (typeof value === "string" && value.length > limits.resultBytes) throw new BudgetError("resultBytes");
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  if (weightOf(value) * 2 > limits.resultBytes) throw new BudgetError("resultBytes");
  try {
    return marshalJson(value, undefined, limits.resultBytes).length;
  } catch (error) {
    throw error instanceof BudgetError ? new BudgetError("resultBytes") : error;
  }
}

/** Most answers fit whatever their nodes are. A set does not know its weight. */
function isSurelySmall(value: Value, limits: Pick<Limits, "resultBytes">): boolean {
  if (typeof value !== "object" || value === null || value instanceof RSet) return false;
  return value.shape.weight * MAX_NODE_CHARACTERS <= limits.resultBytes;
}

/** Every node of a value takes at least two characters of JSON. */
function weightOf(value: RArray | RObject | RSet): number {
  return value instanceof RSet ? value.size : value.shape.weight;
}

/** @throws NeedHostValue, which is no failure but a request */
export function asEvalError(error: unknown): RegoEvalError {
  if (error instanceof NeedHostValue) throw error;
  if (error instanceof RegoEvalError) return error;
  if (error instanceof BudgetError) return new RegoEvalError("eval_budget_error", error.message);
  // The weights of `enter` keep the native stack shallow; should they not, this is still a denial and no crash.
  if (error instanceof RangeError) {
    return new RegoEvalError("eval_budget_error", new BudgetError("nativeDepth").message);
  }
  return new RegoEvalError("eval_internal_error", "the evaluation failed for an unexpected reason");
}

/** Hosts ask for the same few rules. */
const MAX_PATHS = 100;

/** Steps below `data`. */
function parsePath({ paths }: Policy, text: string): readonly Value[] {
  const known = paths.get(text);
  if (known !== undefined) return known;
  const steps = readPath(text);
  if (paths.size >= MAX_PATHS) paths.clear();
  paths.set(text, steps);
  return steps;
}

function readPath(text: string): readonly Value[] {
  const fault = new RegoEvalError(
    "eval_internal_error",
    "the rule path is not of the form data.package.rule",
  );
  try {
    const [literal] = parseQuery(text);
    const term = literal?.statement.kind === "expr" ? literal.statement.term : undefined;
    if (term?.kind === "var" && term.name === "data") return [];
    if (term?.kind !== "ref" || term.head.kind !== "var" || term.head.name !== "data") throw fault;
    return term.path.map((step) => {
      if (step.kind !== "scalar") throw fault;
      return step.value;
    });
  } catch {
    throw fault;
  }
}
