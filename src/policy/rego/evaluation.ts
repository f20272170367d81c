/** The state of one evaluation. Nothing of it outlives the request, and nothing of it is shared. */
import type { HostType } from "./analysis/ir.ts";
import { Budget, type Limits } from "./budget.ts";
import type { BuiltinContext } from "./builtins/builtin.ts";
import type { RegexCache } from "./builtins/regex-cache.ts";
import { RArray, RObject } from "./collections.ts";
import { key } from "./compare.ts";
import type { DocNode } from "./compile/docs.ts";
import type { ObjectTree } from "./compile/objects.ts";
import type { Overlay } from "./compile/overlay.ts";
import { BudgetError, BuiltinError, type Location, RegoEvalError, shorten } from "./errors.ts";
import type { Probe } from "./probe.ts";
import { isNumber, typeName, type Value } from "./value.ts";

/** The variables of one run of one clause. */
export type Frame = (Value | undefined)[];

/** Thrown to the caller of an evaluation: the host must fetch this answer, and the evaluation start again. */
export class NeedHostValue extends Error {
  override readonly name = "NeedHostValue";
  readonly functionName: string;
  readonly args: readonly Value[];

  constructor(functionName: string, args: readonly Value[]) {
    super(`the host function ${functionName} has no answer yet`);
    this.functionName = functionName;
    this.args = args;
  }
}

/** Answers a host function; undefined when the answer has to be fetched first. */
export type HostResolver = (name: string, args: readonly Value[]) => Value | undefined;

/** What replaces a function inside a `with`: a value whatever the arguments, or another function. */
export type Mock =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "function"; readonly call: (args: Value[], e: Evaluation) => Value | undefined };

/** Where the solutions of a body go while it runs. */
export interface Sink {
  add(value: Value, name: Value | undefined): void;
}

/** Takes the solutions of a partial rule: steps behind the constant part of its head, and the value. */
export type Collector = (path: readonly Value[], value: Value) => void;

/** What a `with` can change. */
export interface Context {
  readonly input: Value | undefined;
  readonly data: Value;
  readonly overlay: Overlay | undefined;
  readonly mocks: ReadonlyMap<string, Mock> | undefined;
  readonly results: Memo;
}

/** Marks a document as computed and found undefined, or as being computed. */
export const UNDEFINED = Symbol("undefined");
export const IN_PROGRESS = Symbol("in progress");
export type Memoised = Value | typeof UNDEFINED | typeof IN_PROGRESS | undefined;

const MAX_CALL_MEMO = 1_024;

/** Results that hold under one setting of input, data and mocks. */
export class Memo {
  readonly documents: Memoised[];
  #calls: Map<string, Value | typeof UNDEFINED> | undefined;
  /** Documents with several values for one path: whoever asks for that path gets the error. */
  #conflicts: Map<number, ObjectTree> | undefined;

  constructor(documents: number) {
    this.documents = new Array<Memoised>(documents).fill(undefined);
  }

  call(id: string): Value | typeof UNDEFINED | undefined {
    return this.#calls?.get(id);
  }

  conflict(document: number): ObjectTree | undefined {
    return this.#conflicts?.get(document);
  }

  noteConflict(document: number, tree: ObjectTree): void {
    this.#conflicts ??= new Map();
    this.#conflicts.set(document, tree);
  }

  remember(id: string, value: Value | undefined): void {
    this.#calls ??= new Map();
    if (this.#calls.size < MAX_CALL_MEMO) this.#calls.set(id, value === undefined ? UNDEFINED : value);
  }
}

export interface EvaluationSettings {
  readonly input: Value | undefined;
  readonly data: Value;
  readonly host: HostResolver;
  readonly limits: Limits;
  /** Nanoseconds since 1970. */
  readonly nowNs: bigint;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly strict: boolean;
  readonly documents: number;
  readonly regexCache: RegexCache;
  readonly probe: Probe | undefined;
  readonly cancelled: (() => boolean) | undefined;
}

export class Evaluation implements BuiltinContext {
  input: Value | undefined;
  data: Value;
  overlay: Overlay | undefined;
  mocks: ReadonlyMap<string, Mock> | undefined;
  results: Memo;
  sink: Sink | undefined;
  collector: Collector | undefined;
  /** Settings to go back to, one for each `with` that is being evaluated. */
  readonly contexts: Context[] = [];
  readonly budget: Budget;
  readonly strict: boolean;
  readonly prints: string[] = [];
  readonly notes: string[] = [];
  /** Errors of built-ins that a lenient evaluation went past. */
  readonly diagnostics: RegoEvalError[] = [];
  readonly probe: Probe | undefined;
  readonly nowNs: bigint;
  readonly regexCache: RegexCache;
  /** Answers of nondeterministic built-ins and host functions: one for each question. */
  #memo: Map<string, Value> | undefined;
  readonly hostCalls: { name: string; args: readonly Value[]; value: Value }[] = [];
  readonly #settings: EvaluationSettings;
  #depth = 0;
  #nativeDepth = 0;
  #outputLeft: number;
  #rule: DocNode | undefined;

  constructor(settings: EvaluationSettings) {
    this.#settings = settings;
    this.input = settings.input;
    this.data = settings.data;
    this.strict = settings.strict;
    this.probe = settings.probe;
    this.nowNs = settings.nowNs;
    this.regexCache = settings.regexCache;
    this.budget = new Budget({}, settings.limits);
    this.results = new Memo(settings.documents);
    this.#outputLeft = this.budget.limits.outputBytes;
  }

  get memo(): Map<string, Value> {
    this.#memo ??= new Map();
    return this.#memo;
  }

  get limits(): Limits {
    return this.budget.limits;
  }

  freshMemo(): Memo {
    return new Memo(this.#settings.documents);
  }

  charge(steps: number): void {
    this.budget.charge(steps);
  }

  cells(count: number): void {
    this.budget.cells(count);
  }

  stringBytes(length: number): void {
    this.budget.stringBytes(length);
  }

  randomBytes(count: number): Uint8Array {
    return this.#settings.randomBytes(count);
  }

  trace(message: string): void {
    if (this.notes.length < this.limits.outputLines) this.notes.push(shorten(message, 1_000));
    this.probe?.note(message);
  }

  /** Beyond the limit output is dropped, not refused: printing must not change an answer. */
  print(line: string): void {
    if (this.prints.length >= this.limits.outputLines || line.length >= this.#outputLeft) return;
    this.#outputLeft -= line.length + 1;
    this.prints.push(line);
  }

  /** Characters that may still be printed. */
  get outputLeft(): number {
    return this.#outputLeft;
  }

  get printsWanted(): boolean {
    return this.prints.length < this.limits.outputLines && this.#outputLeft > 0;
  }

  /**
   * Enters a rule or function. Its body becomes nested native calls, about `weight` of them.
   * @returns what to hand to `leave`
   */
  enter(rule: DocNode, weight: number): DocNode | undefined {
    this.#depth += 1;
    this.#nativeDepth += weight;
    if (this.#depth > this.limits.depth) throw new BudgetError("depth");
    if (this.#nativeDepth > this.limits.nativeDepth) throw new BudgetError("nativeDepth");
    if (this.#settings.cancelled?.() === true) {
      throw new RegoEvalError("eval_cancel_error", "the caller gave up on the evaluation");
    }
    const outer = this.#rule;
    this.#rule = rule;
    return outer;
  }

  leave(outer: DocNode | undefined, weight: number): void {
    this.#rule = outer;
    this.#depth -= 1;
    this.#nativeDepth -= weight;
  }

  fail(code: RegoEvalError["code"], message: string, loc?: Location): RegoEvalError {
    return new RegoEvalError(code, message, loc, this.#rule?.name);
  }

  /** A built-in refused its operands: strict evaluation ends, lenient evaluation goes on without a value. */
  builtinFault(error: unknown, loc: Location): undefined {
    if (!(error instanceof BuiltinError)) throw error;
    const fault = this.fail(error.code, shorten(error.message, 512), loc);
    if (this.strict) throw fault;
    if (this.diagnostics.length < 100) this.diagnostics.push(fault);
    return undefined;
  }

  /** Asks the host, once for each list of arguments. @throws NeedHostValue */
  askHost(name: string, args: readonly Value[], result: HostType): Value {
    const [only] = args;
    const isText = args.length === 1 && typeof only === "string";
    const id = isText ? `host ${name} ${only}` : `host ${name} ${key(RArray.of(args))}`;
    const known = this.memo.get(id);
    if (known !== undefined) return known;
    this.charge(10);
    const answer = this.#settings.host(name, args);
    if (answer === undefined) throw new NeedHostValue(name, args);
    if (!fits(answer, result)) {
      throw this.fail(
        "eval_type_error",
        `${name}: the host answered with ${typeName(answer)}, not ${result}`,
      );
    }
    this.memo.set(id, answer);
    this.hostCalls.push({ name, args, value: answer });
    return answer;
  }

  /** A path in the base documents, whose keys are strings: a number finds the member of that name. */
  base(path: readonly Value[]): Value | undefined {
    let value: Value | undefined = this.data;
    for (const step of path) {
      if (!(value instanceof RObject)) return undefined;
      value = value.get(typeof step === "number" ? String(step) : step);
    }
    return value;
  }
}

/** Whether a value is of a type that a host function declares. */
export function fits(value: Value, type: HostType): boolean {
  if (type === "any") return true;
  return type === "number" ? isNumber(value) : typeName(value) === type;
}
