import { RArray } from "../collections.ts";
import { compare } from "../compare.ts";
import { add, multiply } from "../numbers.ts";
import { walkingSteps } from "../shape.ts";
import type { Value } from "../value.ts";
import { anyAt, type Builtin, badOperand, define, listAt, numbersAt } from "./builtin.ts";
import { ARRAY, anyOf, arrayOf, LIST, OBJECT, SET, setOf } from "./types.ts";
import { countCodePoints } from "./unicode.ts";

const NUMBERS = anyOf(arrayOf("number"), setOf("number"));

function count(value: Value): number {
  if (typeof value === "string") return countCodePoints(value);
  if (typeof value !== "object" || value === null)
    throw badOperand(0, "one of {array, object, set, string}", value);
  return value.kind === "array" ? value.length : value.size;
}

/** The element that no other one precedes in the given direction; undefined when there is none. */
function extreme(items: readonly Value[], direction: 1 | -1): Value | undefined {
  let best: Value | undefined;
  for (const item of items) if (best === undefined || compare(item, best) === direction) best = item;
  return best;
}

export const AGGREGATES: readonly Builtin[] = [
  define("count", [anyOf("string", ARRAY, OBJECT, SET)], "number", (args) => count(anyAt(args, 0))),
  define("sum", [NUMBERS], "number", (args, ctx) => {
    const numbers = numbersAt(args, 0);
    ctx.charge(numbers.length);
    return numbers.reduce(add, 0);
  }),
  define("product", [NUMBERS], "number", (args, ctx) => {
    const numbers = numbersAt(args, 0);
    ctx.charge(numbers.length);
    return numbers.reduce(multiply, 1);
  }),
  define("max", [LIST], "any", (args, ctx) => {
    const items = listAt(args, 0);
    ctx.charge(items.length + walkingSteps(anyAt(args, 0)));
    return extreme(items, 1);
  }),
  define("min", [LIST], "any", (args, ctx) => {
    const items = listAt(args, 0);
    ctx.charge(items.length + walkingSteps(anyAt(args, 0)));
    return extreme(items, -1);
  }),
  define("sort", [LIST], ARRAY, (args, ctx) => {
    const items = listAt(args, 0);
    ctx.cells(items.length);
    ctx.charge((items.length + walkingSteps(anyAt(args, 0))) * Math.ceil(Math.log2(items.length + 2)));
    return RArray.of([...items].sort(compare));
  }),
];
