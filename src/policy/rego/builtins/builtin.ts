import type { Limits } from "../budget.ts";
import { BudgetError, BuiltinError } from "../errors.ts";
import { isInteger, type Num } from "../numbers.ts";
import {
  isArray,
  isNumber,
  isObject,
  isSet,
  type RArray,
  type RObject,
  type RSet,
  typeName,
  type Value,
} from "../value.ts";
import type { RegexCache } from "./regex-cache.ts";
import type { TypeSpec } from "./types.ts";

/** What the evaluation offers its built-ins. The counting methods throw `BudgetError` past a limit. */
export interface BuiltinContext {
  /** Counts work: one unit is about one literal attempt. */
  charge(steps: number): void;
  /** Counts array elements, object entries and set members, before they are allocated. */
  cells(count: number): void;
  /** Counts text, before it is produced. */
  stringBytes(length: number): void;
  readonly limits: Limits;
  /** Nanoseconds since 1970, the same during one evaluation. */
  readonly nowNs: bigint;
  /** Cryptographically strong random bytes. */
  randomBytes(count: number): Uint8Array;
  /** Compiled patterns, shared by the evaluations of one policy. */
  readonly regexCache: RegexCache;
  /** Writes a note into the trace. */
  trace(message: string): void;
  /** Answers of nondeterministic built-ins, so that one evaluation gets one answer per question. */
  readonly memo: Map<string, Value>;
}

export type Implementation = (args: readonly Value[], ctx: BuiltinContext) => Value | undefined;

/** One function a policy may call. */
export interface Builtin {
  readonly name: string;
  readonly arity: number;
  readonly args: readonly TypeSpec[];
  readonly result: TypeSpec;
  /**
   * Operands are defined values, as many as `arity`; an undefined answer makes the call undefined. A relation
   * answers with an array of all its solutions.
   * @throws BuiltinError, BudgetError; nothing else on any operands
   */
  readonly impl: Implementation;
  readonly relation?: boolean;
  /** Only callable in the v0 dialect. */
  readonly deprecated?: boolean;
  readonly deterministic: boolean;
}

export type BuiltinTraits = Partial<Pick<Builtin, "relation" | "deprecated" | "deterministic">>;

/** Declares a built-in: names it in its errors and turns what the platform refuses into a budget error. */
export function define(
  name: string,
  args: readonly TypeSpec[],
  result: TypeSpec,
  implementation: Implementation,
  traits: BuiltinTraits = {},
): Builtin {
  const impl: Implementation = (operands, ctx) => {
    ctx.charge(1);
    try {
      return implementation(operands, ctx);
    } catch (error) {
      throw namedError(name, error);
    }
  };
  return { name, arity: args.length, args, result, impl, deterministic: true, ...traits };
}

function namedError(name: string, error: unknown): unknown {
  if (error instanceof BuiltinError) return new BuiltinError(error.code, `${name}: ${error.message}`);
  // A string or integer that is larger than the platform allows, or recursion deeper than its stack.
  if (error instanceof RangeError) return new BudgetError("stringLength");
  return error;
}

/** A bad value of the right type. */
export function badValue(message: string): BuiltinError {
  return new BuiltinError("eval_builtin_error", message);
}

/** An operand of a wrong type; `at` counts from 0, messages count from 1. */
export function badOperand(at: number, expected: string, got: Value | undefined): BuiltinError {
  const kind = got === undefined ? "nothing" : typeName(got);
  return badType(`operand ${at + 1} must be ${expected} but got ${kind}`);
}

/** Something inside an operand has a wrong type. */
export function badType(message: string): BuiltinError {
  return new BuiltinError("eval_type_error", message);
}

/** The operand, whatever it is. */
export function anyAt(args: readonly Value[], at: number): Value {
  const value = args[at];
  if (value === undefined) throw badOperand(at, "present", value);
  return value;
}

export function stringAt(args: readonly Value[], at: number): string {
  const value = args[at];
  if (typeof value !== "string") throw badOperand(at, "string", value);
  return value;
}

export function numberAt(args: readonly Value[], at: number): Num {
  const value = args[at];
  if (value === undefined || !isNumber(value)) throw badOperand(at, "number", value);
  return value;
}

/** An integer of any size. */
export function bigIntAt(args: readonly Value[], at: number): bigint {
  const value = numberAt(args, at);
  if (!isInteger(value))
    throw badType(`operand ${at + 1} must be integer number but got floating-point number`);
  return BigInt(value);
}

/** An integer that fits 64 bits signed. Beyond ±(2^53−1) the answer is rounded, which no count or index can tell. */
export function integerAt(args: readonly Value[], at: number): number {
  const value = bigIntAt(args, at);
  if (BigInt.asIntN(64, value) !== value)
    throw badType(`operand ${at + 1} must be an integer of at most 64 bits`);
  return Number(value);
}

export function arrayAt(args: readonly Value[], at: number): RArray {
  const value = args[at];
  if (!isArray(value)) throw badOperand(at, "array", value);
  return value;
}

export function setAt(args: readonly Value[], at: number): RSet {
  const value = args[at];
  if (!isSet(value)) throw badOperand(at, "set", value);
  return value;
}

export function objectAt(args: readonly Value[], at: number): RObject {
  const value = args[at];
  if (!isObject(value)) throw badOperand(at, "object", value);
  return value;
}

/** The elements of an array or, ascending, of a set. */
export function listAt(args: readonly Value[], at: number): readonly Value[] {
  const value = args[at];
  if (isArray(value)) return value.items;
  if (isSet(value)) return value.members();
  throw badOperand(at, "one of {array, set}", value);
}

/** As `listAt`, and every element is a string. */
export function textsAt(args: readonly Value[], at: number): readonly string[] {
  return listAt(args, at).map((item) => {
    if (typeof item === "string") return item;
    throw badType(
      `operand ${at + 1} must be a collection of strings but got one containing ${typeName(item)}`,
    );
  });
}

/** As `listAt`, and every element is a number. */
export function numbersAt(args: readonly Value[], at: number): readonly Num[] {
  return listAt(args, at).map((item) => {
    if (isNumber(item)) return item;
    throw badType(
      `operand ${at + 1} must be a collection of numbers but got one containing ${typeName(item)}`,
    );
  });
}
