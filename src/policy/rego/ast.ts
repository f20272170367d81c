import type { Location } from "./errors.ts";

/** A scalar as it stands in text. */
export type Scalar = null | boolean | number | bigint | string;

export interface ScalarTerm {
  readonly kind: "scalar";
  readonly value: Scalar;
  /** A number as it was written, sign included: `1e3`. */
  readonly text?: string;
  /** A string between back quotes. */
  readonly raw?: true;
  readonly loc: Location;
}
export interface VarTerm {
  readonly kind: "var";
  /** `_` is a fresh variable wherever it stands. */
  readonly name: string;
  readonly loc: Location;
}
export interface RefTerm {
  readonly kind: "ref";
  readonly head: Term;
  /** `.name` and `["name"]` are the same step. */
  readonly path: readonly Term[];
  readonly loc: Location;
}
export interface CallTerm {
  readonly kind: "call";
  /** A variable or a reference of constant steps; operators carry the built-in's name. */
  readonly operator: VarTerm | RefTerm;
  readonly args: readonly Term[];
  /** The symbol, when the call was written as an operator: `+`, `in`, `==`, and `-` with one operand. */
  readonly infix?: string;
  readonly loc: Location;
}
export interface ArrayTerm {
  readonly kind: "array";
  readonly items: readonly Term[];
  readonly loc: Location;
}
export interface SetTerm {
  readonly kind: "set";
  readonly items: readonly Term[];
  readonly loc: Location;
}
export interface ObjectTerm {
  readonly kind: "object";
  readonly entries: readonly (readonly [key: Term, value: Term])[];
  readonly loc: Location;
}
export interface ComprehensionTerm {
  readonly kind: "arrayCompr" | "setCompr" | "objectCompr";
  /** Only in `objectCompr`. */
  readonly key?: Term;
  readonly value: Term;
  readonly body: Body;
  readonly loc: Location;
}
/** `$"…{expr}…"`: text pieces and expressions in the order they stand. */
export interface TemplateTerm {
  readonly kind: "template";
  readonly parts: readonly (string | Term)[];
  readonly raw: boolean;
  readonly loc: Location;
}
export type Term =
  | ScalarTerm
  | VarTerm
  | RefTerm
  | CallTerm
  | ArrayTerm
  | SetTerm
  | ObjectTerm
  | ComprehensionTerm
  | TemplateTerm;

export interface ExprStatement {
  readonly kind: "expr";
  readonly term: Term;
}
/** `left := right` (assign) or `left = right` (unify). */
export interface UnifyStatement {
  readonly kind: "assign" | "unify";
  readonly left: Term;
  readonly right: Term;
}
export interface SomeStatement {
  readonly kind: "some";
  readonly vars: readonly VarTerm[];
}
export interface SomeInStatement {
  readonly kind: "someIn";
  readonly key?: Term;
  readonly value: Term;
  readonly collection: Term;
}
export interface EveryStatement {
  readonly kind: "every";
  readonly key?: VarTerm;
  readonly value: VarTerm;
  readonly domain: Term;
  readonly body: Body;
}
/** `{ … }` as the operand of `not`, `and` or `or` (newer Rego, by import). */
export interface BlockStatement {
  readonly kind: "block";
  readonly body: Body;
}
/** `left and right`, `left or right` (newer Rego, by import). Each operand has its own scope. */
export interface LogicStatement {
  readonly kind: "and" | "or";
  readonly left: Literal;
  readonly right: Literal;
}
export type Statement =
  | ExprStatement
  | UnifyStatement
  | SomeStatement
  | SomeInStatement
  | EveryStatement
  | BlockStatement
  | LogicStatement;

export interface WithModifier {
  readonly target: VarTerm | RefTerm;
  readonly value: Term;
  readonly loc: Location;
}
export interface Literal {
  readonly negated: boolean;
  readonly statement: Statement;
  readonly withs: readonly WithModifier[];
  readonly loc: Location;
}
export type Body = readonly Literal[];

export interface Head {
  readonly name: VarTerm;
  readonly path: readonly Term[];
  /** Present, possibly empty, for functions. */
  readonly args?: readonly Term[];
  /** The element, after `contains`. */
  readonly contains?: Term;
  readonly value?: Term;
  readonly assign?: ":=" | "=";
  readonly loc: Location;
}
export interface ElseClause {
  readonly value?: Term;
  readonly assign?: ":=" | "=";
  readonly body?: Body;
  readonly hasIf: boolean;
  readonly loc: Location;
}
export interface Rule {
  readonly isDefault: boolean;
  readonly head: Head;
  readonly hasIf: boolean;
  readonly body?: Body;
  readonly elses: readonly ElseClause[];
  /** Further bodies written directly after the first one; each repeats the head. */
  readonly chained: readonly Body[];
  readonly loc: Location;
}
export interface Import {
  readonly path: readonly string[];
  readonly alias?: string;
  readonly loc: Location;
}
export interface Comment {
  /** Without the `#`. */
  readonly text: string;
  readonly row: number;
  readonly col: number;
  /** Nothing but white space stands before it on its line. */
  readonly ownLine: boolean;
}
export type Dialect = "v0" | "v1";
export interface Module {
  readonly file: string;
  readonly dialect: Dialect;
  readonly packagePath: readonly string[];
  readonly packageLoc: Location;
  readonly imports: readonly Import[];
  readonly rules: readonly Rule[];
  readonly comments: readonly Comment[];
  /** Lines of the text, for findings. */
  readonly lines: readonly string[];
}

/** The name a call's operator spells, `array.concat` say; undefined when a step is not a plain name. */
export function operatorName(operator: VarTerm | RefTerm): string | undefined {
  if (operator.kind === "var") return operator.name;
  if (operator.head.kind !== "var") return undefined;
  const steps: string[] = [operator.head.name];
  for (const step of operator.path) {
    if (step.kind !== "scalar" || typeof step.value !== "string") return undefined;
    steps.push(step.value);
  }
  return steps.join(".");
}
