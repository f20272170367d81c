/**
 * What the safety pass makes of a body: operations in the order they run, with every occurrence of a variable
 * fixed as one that binds or one that reads. Nothing about binding is left for run time.
 */
import type { Call, Comprehension, ILiteral, ITerm, IWith, Reference, Variable } from "./ir.ts";

/** What a value is held against. */
export type Pattern =
  | { readonly p: "bind"; readonly variable: Variable }
  | { readonly p: "any" }
  | { readonly p: "same"; readonly term: ITerm }
  | { readonly p: "array"; readonly items: readonly Pattern[] }
  | { readonly p: "object"; readonly entries: readonly (readonly [ITerm, Pattern])[] };

export type Op =
  /** Walks a reference of which some steps are unbound: one solution for each way through. */
  | {
      readonly op: "iterate";
      readonly ref: Reference;
      readonly steps: readonly Pattern[];
      readonly into: Pattern;
    }
  | { readonly op: "relation"; readonly call: Call; readonly into: Pattern }
  /** Evaluates a term and takes the value apart. */
  | { readonly op: "match"; readonly term: ITerm; readonly into: Pattern }
  /** Succeeds when the term is defined and not false. */
  | { readonly op: "test"; readonly term: ITerm }
  | { readonly op: "someIn"; readonly collection: ITerm; readonly key: Pattern; readonly value: Pattern }
  | { readonly op: "not"; readonly body: readonly LiteralPlan[] }
  | {
      readonly op: "every";
      readonly domain: ITerm;
      readonly key: Variable | undefined;
      readonly value: Variable;
      readonly body: readonly LiteralPlan[];
    }
  /** Succeeds once when one of the bodies has a solution. */
  | { readonly op: "any"; readonly bodies: readonly (readonly LiteralPlan[])[] }
  | { readonly op: "print"; readonly args: readonly Comprehension[]; readonly literal: ILiteral }
  | { readonly op: "with"; readonly withs: readonly IWith[]; readonly ops: readonly Op[] };

export interface LiteralPlan {
  /** Undefined for what a head needs after the body. */
  readonly literal: ILiteral | undefined;
  readonly ops: readonly Op[];
}
