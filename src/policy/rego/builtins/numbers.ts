import { RArray } from "../collections.ts";
import { BudgetError } from "../errors.ts";
import { fromBigInt, fromDouble, type Num, negate } from "../numbers.ts";
import type { Value } from "../value.ts";
import {
  type Builtin,
  type BuiltinContext,
  badType,
  badValue,
  bigIntAt,
  define,
  numberAt,
  stringAt,
} from "./builtin.ts";
import { arrayOf } from "./types.ts";

function rounding(name: string, round: (value: number) => number): Builtin {
  return define(name, ["number"], "number", (args) => {
    const value = numberAt(args, 0);
    return typeof value === "bigint" ? value : fromDouble(round(value));
  });
}

/** Nearest integer, halves away from zero. */
function roundHalfAway(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

/** From `start` to `stop`, both included, in whichever direction that is. */
function range(start: bigint, stop: bigint, step: bigint, ctx: BuiltinContext): RArray {
  const distance = stop >= start ? stop - start : start - stop;
  const count = distance / step + 1n;
  if (count > BigInt(ctx.limits.cells)) throw new BudgetError("cells");
  ctx.cells(Number(count));
  ctx.charge(Number(count) >> 2);
  const signed = stop >= start ? step : -step;
  return RArray.of(Array.from({ length: Number(count) }, (_, at) => fromBigInt(start + BigInt(at) * signed)));
}

function rangeStep(args: readonly Value[], ctx: BuiltinContext): RArray {
  const [start, stop, step] = [bigIntAt(args, 0), bigIntAt(args, 1), bigIntAt(args, 2)];
  if (step <= 0n) throw badValue("step must be a positive integer");
  return range(start, stop, step, ctx);
}

/** An integer below |n|, unpredictable, the same for the same question during one evaluation. */
function randomBelow(args: readonly Value[], ctx: BuiltinContext): Num {
  const seed = stringAt(args, 0);
  const bound = bigIntAt(args, 1);
  const magnitude = bound < 0n ? -bound : bound;
  if (magnitude === 0n) return 0;
  const name = `rand.intn ${magnitude} ${seed}`;
  const known = ctx.memo.get(name);
  if (typeof known === "number" || typeof known === "bigint") return known;
  const answer = fromBigInt(draw(magnitude, ctx));
  ctx.memo.set(name, answer);
  return answer;
}

/** 128 more bits than the bound has, so that the remainder is uniform for every practical purpose. */
function draw(bound: bigint, ctx: BuiltinContext): bigint {
  const bytes = ctx.randomBytes(16 + Math.ceil(bound.toString(16).length / 2));
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`) % bound;
}

type BitOperation = (a: bigint, b: bigint) => bigint;

function bitwise(name: string, compute: BitOperation): Builtin {
  return define(name, ["number", "number"], "number", (args) =>
    fromBigInt(compute(bigIntAt(args, 0), bigIntAt(args, 1))),
  );
}

function shiftAt(args: readonly Value[]): bigint {
  const shift = bigIntAt(args, 1);
  if (shift < 0n) throw badType("operand 2 must be an unsigned integer number but got a negative integer");
  return shift;
}

function shiftLeft(args: readonly Value[], ctx: BuiltinContext): Num {
  const value = bigIntAt(args, 0);
  const shift = shiftAt(args);
  if (value === 0n) return 0;
  if (shift > BigInt(ctx.limits.bigintBits)) throw new BudgetError("bigintBits");
  return fromBigInt(value << shift);
}

function shiftRight(args: readonly Value[], ctx: BuiltinContext): Num {
  const value = bigIntAt(args, 0);
  const shift = shiftAt(args);
  if (shift > BigInt(ctx.limits.bigintBits)) return value < 0n ? -1 : 0;
  return fromBigInt(value >> shift);
}

const BITS: readonly Builtin[] = [
  bitwise("bits.and", (a, b) => a & b),
  bitwise("bits.or", (a, b) => a | b),
  bitwise("bits.xor", (a, b) => a ^ b),
  define("bits.negate", ["number"], "number", (args) => fromBigInt(~bigIntAt(args, 0))),
  define("bits.lsh", ["number", "number"], "number", shiftLeft),
  define("bits.rsh", ["number", "number"], "number", shiftRight),
];

/** Rounding, ranges, random numbers and bits. */
export const NUMBERS: readonly Builtin[] = [
  define("abs", ["number"], "number", (args) => {
    const value = numberAt(args, 0);
    return value < 0 ? negate(value) : value;
  }),
  rounding("ceil", Math.ceil),
  rounding("floor", Math.floor),
  rounding("round", roundHalfAway),
  define("numbers.range", ["number", "number"], arrayOf("number"), (args, ctx) =>
    range(bigIntAt(args, 0), bigIntAt(args, 1), 1n, ctx),
  ),
  define("numbers.range_step", ["number", "number", "number"], arrayOf("number"), rangeStep),
  define("rand.intn", ["string", "number"], "number", randomBelow, { deterministic: false }),
  ...BITS,
];
