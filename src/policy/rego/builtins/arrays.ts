import { RArray } from "../collections.ts";
import { isArray, isSet, type RSet, type Value } from "../value.ts";
import { arrayAt, type Builtin, type BuiltinContext, badType, define, integerAt, setAt } from "./builtin.ts";
import { difference, intersection, union } from "./operators.ts";
import { ARRAY, SET, setOf } from "./types.ts";

function concat(parts: readonly (readonly Value[])[], ctx: BuiltinContext): RArray {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  ctx.cells(length);
  ctx.charge(length >> 4);
  return RArray.of(parts.flat());
}

/** A position as an index into an array of this length. */
function clamp(position: number, length: number): number {
  return Math.min(Math.max(position, 0), length);
}

function slice(args: readonly Value[], ctx: BuiltinContext): RArray {
  const array = arrayAt(args, 0);
  const start = clamp(integerAt(args, 1), array.length);
  const stop = clamp(integerAt(args, 2), array.length);
  ctx.cells(Math.max(0, stop - start));
  return RArray.of(array.items.slice(start, Math.max(start, stop)));
}

/** One level of nesting is removed; what is no array stays. */
function flatten(args: readonly Value[], ctx: BuiltinContext): RArray {
  return concat(
    arrayAt(args, 0).items.map((item) => (isArray(item) ? item.items : [item])),
    ctx,
  );
}

function setsAt(args: readonly Value[]): readonly RSet[] {
  return setAt(args, 0)
    .members()
    .map((member) => {
      if (isSet(member)) return member;
      throw badType("operand 1 must be a set of sets");
    });
}

/** Arrays and the functions on sets of sets. */
export const ARRAYS: readonly Builtin[] = [
  define("array.concat", [ARRAY, ARRAY], ARRAY, (args, ctx) =>
    concat([arrayAt(args, 0).items, arrayAt(args, 1).items], ctx),
  ),
  define("array.flatten", [ARRAY], ARRAY, flatten),
  define("array.reverse", [ARRAY], ARRAY, (args, ctx) => {
    const array = arrayAt(args, 0);
    ctx.cells(array.length);
    return RArray.of([...array.items].reverse());
  }),
  define("array.slice", [ARRAY, "number", "number"], ARRAY, slice),
  define("union", [setOf(SET)], SET, (args, ctx) => union(setsAt(args), ctx)),
  define("intersection", [setOf(SET)], SET, (args, ctx) => {
    const [first, ...others] = setsAt(args);
    if (first === undefined) return setAt(args, 0);
    return others.reduce((result, set) => intersection(result, set, ctx), first);
  }),
  define("set_diff", [SET, SET], SET, (args, ctx) => difference(setAt(args, 0), setAt(args, 1), ctx), {
    deprecated: true,
  }),
];
