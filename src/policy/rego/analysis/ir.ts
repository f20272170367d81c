/**
 * The tree after names are resolved: variables are objects instead of names, references start at `input`, at
 * `data` or at a term, and calls know what they call.
 */
import type { Literal, Rule } from "../ast.ts";
import type { Builtin } from "../builtins/builtin.ts";
import type { Location } from "../errors.ts";
import type { Value } from "../value.ts";
import type { LiteralPlan, Pattern } from "./plan.ts";

/** One logic variable of one clause. */
export class Variable {
  readonly name: string;
  readonly loc: Location;
  /** `_`, and helpers of the engine's own. */
  readonly wildcard: boolean;
  /** Index into the clause's frame, given out when the clause is compiled. */
  slot = -1;
  used = false;

  constructor(name: string, loc: Location, wildcard = false) {
    this.name = name;
    this.loc = loc;
    this.wildcard = wildcard;
  }
}

/** A function the host provides; its answers come from outside the engine. */
export interface HostFunction {
  readonly name: string;
  readonly arity: number;
  /** Type names of the operands, `string` say, or `any`. Checked at each call. */
  readonly params: readonly HostType[];
  readonly result: HostType;
}
export type HostType = "any" | "null" | "boolean" | "number" | "string" | "array" | "object" | "set";

export type Callee =
  | { readonly kind: "builtin"; readonly builtin: Builtin }
  | { readonly kind: "host"; readonly host: HostFunction }
  | { readonly kind: "function"; readonly path: readonly string[]; readonly arity: number };

export interface ConstTerm {
  readonly t: "const";
  readonly value: Value;
  readonly loc: Location;
}
export interface VariableTerm {
  readonly t: "var";
  readonly variable: Variable;
  readonly loc: Location;
}
export interface ListTerm {
  readonly t: "array" | "set";
  readonly items: readonly ITerm[];
  readonly loc: Location;
}
export interface RecordTerm {
  readonly t: "object";
  readonly entries: readonly (readonly [ITerm, ITerm])[];
  readonly loc: Location;
}
export interface Reference {
  readonly t: "ref";
  readonly root: "input" | "data" | ITerm;
  readonly path: readonly ITerm[];
  readonly loc: Location;
}
export interface Call {
  readonly t: "call";
  readonly callee: Callee;
  readonly args: readonly ITerm[];
  readonly loc: Location;
}
export interface Comprehension {
  readonly t: "compr";
  readonly kind: "array" | "set" | "object";
  readonly key: ITerm | undefined;
  readonly value: ITerm;
  readonly body: IBody;
  readonly loc: Location;
  /** Filled in by the safety pass, when it is known what the body around it has bound. */
  plan: ClosurePlan | undefined;
}
/** Text with values in between; an undefined one reads `<undefined>`. */
export interface Template {
  readonly t: "template";
  readonly parts: readonly (string | Comprehension)[];
  readonly loc: Location;
}
export type ITerm =
  | ConstTerm
  | VariableTerm
  | ListTerm
  | RecordTerm
  | Reference
  | Call
  | Comprehension
  | Template;

/** An ordered body, then what is read from each of its solutions. */
export interface ClosurePlan {
  readonly body: readonly LiteralPlan[];
  readonly key: ITerm | undefined;
  readonly value: ITerm;
}

export type IStatement =
  | { readonly k: "term"; readonly term: ITerm }
  | { readonly k: "unify"; readonly left: ITerm; readonly right: ITerm }
  | { readonly k: "relation"; readonly call: Call; readonly output: ITerm }
  | {
      readonly k: "someIn";
      readonly key: ITerm | undefined;
      readonly value: ITerm;
      readonly collection: ITerm;
    }
  | {
      readonly k: "every";
      readonly key: Variable | undefined;
      readonly value: Variable;
      readonly domain: ITerm;
      readonly body: IBody;
    }
  | { readonly k: "block"; readonly body: IBody }
  | { readonly k: "logic"; readonly operator: "and" | "or"; readonly left: IBody; readonly right: IBody }
  | { readonly k: "print"; readonly args: readonly Comprehension[] }
  /** `some x`: a declaration has nothing to evaluate. */
  | { readonly k: "nothing" };

export type WithTarget =
  | { readonly kind: "input" | "data"; readonly path: readonly Value[] }
  | { readonly kind: "function"; readonly id: string; readonly arity: number };

export type Replacement =
  | { readonly kind: "value"; readonly term: ITerm }
  | { readonly kind: "function"; readonly callee: Callee };

export interface IWith {
  readonly target: WithTarget;
  readonly replacement: Replacement;
  readonly loc: Location;
}

export interface ILiteral {
  readonly statement: IStatement;
  readonly negated: boolean;
  readonly withs: readonly IWith[];
  readonly loc: Location;
  readonly source: Literal;
}

export interface IBody {
  readonly literals: readonly ILiteral[];
  /** Variables that belong to a body around this one. */
  readonly free: ReadonlySet<Variable>;
}

/** One body of a rule with the value it gives. */
export interface IBranch {
  readonly body: IBody;
  readonly value: ITerm | undefined;
  readonly loc: Location;
  /** Filled in by the safety pass. */
  plan: BranchPlan | undefined;
}
export interface BranchPlan {
  readonly body: readonly LiteralPlan[];
  /** Steps of the reference head behind its constant prefix. */
  readonly suffix: readonly ITerm[];
  /** Element of a partial set, else the value. */
  readonly value: ITerm;
}

/** One definition of a rule: a head, and a body with its `else` branches. */
export interface IClause {
  readonly rule: Rule;
  readonly file: string;
  readonly loc: Location;
  readonly path: readonly Value[];
  readonly kind: "complete" | "set" | "function";
  readonly args: readonly ITerm[];
  /** Filled in by the safety pass. */
  argPatterns: readonly Pattern[];
  readonly suffix: readonly ITerm[];
  readonly isDefault: boolean;
  /** The first body, then each `else`. */
  readonly branches: readonly IBranch[];
}

/** The key under which a function can be replaced: its data path, or the name of a built-in or host function. */
export function calleeId(callee: Callee): string {
  if (callee.kind === "builtin") return callee.builtin.name;
  return callee.kind === "host" ? callee.host.name : functionId(callee.path);
}

/** Unlike a built-in's name, a path starts with a slash. */
export function functionId(path: readonly string[]): string {
  return `/${path.map((step) => step.replaceAll("~", "~0").replaceAll("/", "~1")).join("/")}`;
}

export function calleeName(callee: Callee): string {
  if (callee.kind === "function") return ["data", ...callee.path].join(".");
  return calleeId(callee);
}

export function calleeArity(callee: Callee): number {
  if (callee.kind === "function") return callee.arity;
  return callee.kind === "host" ? callee.host.arity : callee.builtin.arity;
}
