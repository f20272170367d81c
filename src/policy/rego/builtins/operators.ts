import { type RSet, SetBuilder } from "../collections.ts";
import { compare, equal } from "../compare.ts";
import { add, divide, multiply, type Num, remainder, subtract } from "../numbers.ts";
import { walkingSteps } from "../shape.ts";
import { isSet, type Value } from "../value.ts";
import { anyAt, type Builtin, type BuiltinContext, badOperand, define, numberAt, setAt } from "./builtin.ts";
import { anyOf, SET } from "./types.ts";

type Arithmetic = (a: Num, b: Num) => Num;

function arithmetic(name: string, compute: Arithmetic): Builtin {
  return define(name, ["number", "number"], "number", (args) =>
    compute(numberAt(args, 0), numberAt(args, 1)),
  );
}

function comparison(name: string, holds: (a: Value, b: Value) => boolean): Builtin {
  return define(name, ["any", "any"], "boolean", (args) => holds(anyAt(args, 0), anyAt(args, 1)));
}

/** `a - b`, `a & b` and `a | b` on sets. @throws BudgetError */
export function difference(a: RSet, b: RSet, ctx: BuiltinContext): RSet {
  ctx.charge(a.size);
  ctx.cells(a.size);
  return collect(a.unordered(), (member) => !b.has(member));
}

export function intersection(a: RSet, b: RSet, ctx: BuiltinContext): RSet {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a];
  ctx.charge(small.size);
  ctx.cells(small.size);
  return collect(small.unordered(), (member) => large.has(member));
}

export function union(sets: readonly RSet[], ctx: BuiltinContext): RSet {
  const size = sets.reduce((sum, set) => sum + set.size, 0);
  ctx.charge(size);
  ctx.cells(size);
  const builder = new SetBuilder();
  for (const set of sets) for (const member of set.unordered()) builder.add(member);
  return builder.build();
}

function collect(members: Iterable<Value>, keep: (member: Value) => boolean): RSet {
  const builder = new SetBuilder();
  for (const member of members) if (keep(member)) builder.add(member);
  return builder.build();
}

function minus(args: readonly Value[], ctx: BuiltinContext): Value {
  const first = anyAt(args, 0);
  if (isSet(first)) return difference(first, setAt(args, 1), ctx);
  if (typeof first !== "number" && typeof first !== "bigint")
    throw badOperand(0, "one of {number, set}", first);
  return subtract(first, numberAt(args, 1));
}

/** `x in c`: whether an element, a value or a member equals `x`; false for everything that holds nothing. */
export function isMember(value: Value, collection: Value, ctx: BuiltinContext): boolean {
  if (typeof collection !== "object" || collection === null) return false;
  if (collection.kind === "set") return collection.has(value);
  const items = collection.kind === "array" ? collection.items : collection.values();
  ctx.charge((items.length >> 4) + Math.min(items.length * walkingSteps(value), walkingSteps(collection)));
  return items.some((item) => equal(item, value));
}

/** `k, v in c`: whether `v` is at `k`. A member of a set is its own key, as in references. */
export function isMemberAt(key: Value, value: Value, collection: Value): boolean {
  if (typeof collection !== "object" || collection === null) return false;
  if (collection.kind === "set") return equal(key, value) && collection.has(value);
  const found =
    collection.kind === "object"
      ? collection.get(key)
      : typeof key === "number"
        ? collection.get(key)
        : undefined;
  return found !== undefined && equal(found, value);
}

const NUMBER_OR_SET = anyOf("number", SET);

/** Everything that the language also writes as an operator, under the names `with` and calls use. */
export const OPERATORS: readonly Builtin[] = [
  comparison("eq", equal),
  comparison("equal", equal),
  comparison("neq", (a, b) => !equal(a, b)),
  comparison("lt", (a, b) => compare(a, b) < 0),
  comparison("lte", (a, b) => compare(a, b) <= 0),
  comparison("gt", (a, b) => compare(a, b) > 0),
  comparison("gte", (a, b) => compare(a, b) >= 0),
  arithmetic("plus", add),
  arithmetic("mul", multiply),
  arithmetic("div", divide),
  arithmetic("rem", remainder),
  define("minus", [NUMBER_OR_SET, NUMBER_OR_SET], NUMBER_OR_SET, minus),
  define("and", [SET, SET], SET, (args, ctx) => intersection(setAt(args, 0), setAt(args, 1), ctx)),
  define("or", [SET, SET], SET, (args, ctx) => union([setAt(args, 0), setAt(args, 1)], ctx)),
  define("internal.member_2", ["any", "any"], "boolean", (args, ctx) =>
    isMember(anyAt(args, 0), anyAt(args, 1), ctx),
  ),
  define("internal.member_3", ["any", "any", "any"], "boolean", (args) =>
    isMemberAt(anyAt(args, 0), anyAt(args, 1), anyAt(args, 2)),
  ),
];
