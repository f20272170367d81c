import { randomBytes } from "node:crypto";
import { Budget, type Limits } from "../../src/policy/rego/budget.ts";
import { BUILTINS, type BuiltinContext, RegexCache } from "../../src/policy/rego/builtins/index.ts";
import { ObjectBuilder, RArray, RSet } from "../../src/policy/rego/collections.ts";
import { BudgetError, BuiltinError } from "../../src/policy/rego/errors.ts";
import { fromBigInt, fromDouble } from "../../src/policy/rego/numbers.ts";
import { sourceForm } from "../../src/policy/rego/text.ts";
import type { Value } from "../../src/policy/rego/value.ts";

/** What tests write for a Rego value: `Set` for sets, `Map` for objects with keys that are not strings. */
export type Literal =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Literal[]
  | ReadonlySet<Literal>
  | ReadonlyMap<Literal, Literal>
  | { readonly [name: string]: Literal };

/** A literal as a value. */
export function value(literal: Literal): Value {
  if (typeof literal === "number") return fromDouble(literal);
  if (typeof literal === "bigint") return fromBigInt(literal);
  if (typeof literal !== "object" || literal === null) return literal;
  if (literal instanceof Set) return RSet.of([...literal].map(value));
  if (Array.isArray(literal)) return RArray.of(literal.map(value));
  const builder = new ObjectBuilder();
  const entries = literal instanceof Map ? literal : Object.entries(literal);
  for (const [name, member] of entries) builder.set(value(name), value(member));
  return builder.build();
}

/** 21 March 2026, 12:00 UTC. */
export const NOW_NS = 1_774_094_400_000_000_000n;

/** A context on its own budget; limits may be overridden one by one. */
export function context(limits: Partial<Limits> = {}, trace: string[] = []): BuiltinContext {
  const budget = new Budget({ wallClockMilliseconds: 60_000, ...limits });
  return {
    charge: (steps) => budget.charge(steps),
    cells: (count) => budget.cells(count),
    stringBytes: (length) => budget.stringBytes(length),
    limits: budget.limits,
    nowNs: NOW_NS,
    randomBytes: (count) => randomBytes(count),
    regexCache: new RegexCache(),
    trace: (message) => trace.push(message),
    memo: new Map(),
  };
}

/** Calls a built-in; throws what it throws. */
export function run(name: string, args: readonly Literal[], ctx = context()): Value | undefined {
  const builtin = BUILTINS.get(name);
  if (builtin === undefined) throw new Error(`no built-in ${name}`);
  return builtin.impl(args.map(value), ctx);
}

/**
 * The answer of a built-in as Rego source; `undefined` when there is none, and the code (or the limit, for a
 * budget) when it fails. Strings are quoted, so no answer can be mistaken for a code.
 */
export function call(name: string, ...args: readonly Literal[]): string | undefined {
  return outcome(() => run(name, args));
}

/** As `call`, for any computation. */
export function outcome(compute: () => Value | undefined): string | undefined {
  try {
    const answer = compute();
    return answer === undefined ? undefined : sourceForm(answer);
  } catch (error) {
    if (error instanceof BuiltinError) return error.code;
    if (error instanceof BudgetError) return `budget ${error.limit}`;
    throw error;
  }
}
