/** Times are nanoseconds since 1970 in UTC, exactly; they must fit 64 bits signed, years 1677 to 2262. */
import { RArray } from "../../collections.ts";
import { fromBigInt, isInteger, type Num } from "../../numbers.ts";
import { isArray, isNumber, type Value } from "../../value.ts";
import {
  type Builtin,
  type BuiltinContext,
  badOperand,
  badValue,
  define,
  integerAt,
  stringAt,
} from "../builtin.ts";
import { anyOf, type TypeSpec, tupleOf } from "../types.ts";
import {
  type Civil,
  civilFromSeconds,
  daysInMonth,
  secondsFromCivil,
  WEEKDAYS,
  weekday,
} from "./calendar.ts";
import { parseDuration } from "./duration.ts";
import { formatTime, type LocalTime } from "./format-time.ts";
import { parseTime } from "./parse-time.ts";
import { UTC, type Zone, zone } from "./zone.ts";

const NS_PER_SECOND = 1_000_000_000n;
const RFC3339 = "2006-01-02T15:04:05Z07:00";
const RFC3339_NANO = "2006-01-02T15:04:05.999999999Z07:00";
/** Asking the platform for a zone's offset costs about as much as this many steps. */
const ZONE_STEPS = 50;

/** A moment, the zone it is to be shown in, and a layout when the operand has one. */
interface Moment {
  readonly seconds: number;
  readonly nanosecond: number;
  readonly zone: Zone;
  readonly layout: string;
}

function momentAt(args: readonly Value[], at: number, ctx: BuiltinContext): Moment {
  const value = args[at];
  ctx.charge(ZONE_STEPS);
  if (isArray(value) && value.length > 0) {
    const name = textOr(value.get(1), at);
    return moment(nanoseconds(value.get(0), at), zone(name), textOr(value.get(2), at));
  }
  if (value === undefined || !isNumber(value))
    throw badOperand(at, "either number (ns) or [number (ns), string (tz)]", value);
  return moment(nanoseconds(value, at), UTC, "");
}

function textOr(value: Value | undefined, at: number): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw badOperand(at, "string", value);
  return value;
}

function nanoseconds(value: Value | undefined, at: number): bigint {
  if (value === undefined || !isNumber(value)) throw badOperand(at, "number", value);
  if (!isInteger(value) || BigInt.asIntN(64, BigInt(value)) !== BigInt(value))
    throw badValue("timestamp too big");
  return BigInt(value);
}

function moment(ns: bigint, zoneOf: Zone, layout: string): Moment {
  const nanosecond = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const seconds = Number((ns - nanosecond) / NS_PER_SECOND);
  return { seconds, nanosecond: Number(nanosecond), zone: zoneOf, layout };
}

function local(time: Moment): LocalTime {
  const offset = time.zone.offset(time.seconds);
  const civil = civilFromSeconds(time.seconds + offset, time.nanosecond);
  return { ...civil, offset, abbreviation: () => time.zone.abbreviation(time.seconds) };
}

function safe(ns: bigint): Num {
  if (BigInt.asIntN(64, ns) !== ns) throw badValue("time outside of valid range");
  return fromBigInt(ns);
}

function format(args: readonly Value[], ctx: BuiltinContext): string {
  const time = momentAt(args, 0, ctx);
  const layout = time.layout === "" ? RFC3339_NANO : time.layout;
  if (layout.length > 4096) throw badValue("a layout that is too long");
  ctx.charge(layout.length * 8);
  const text = formatTime(local(time), layout, ctx.limits.stringLength);
  ctx.stringBytes(text.length);
  return text;
}

/** Years, months and days are added on the zone's calendar; what overflows carries over, as in Go. */
function addDate(args: readonly Value[], ctx: BuiltinContext): Num {
  const time = momentAt(args, 0, ctx);
  const [years, months, days] = [integerAt(args, 1), integerAt(args, 2), integerAt(args, 3)];
  if ([years, months, days].some((amount) => Math.abs(amount) > 1e7))
    throw badValue("time outside of valid range");
  const civil = local(time);
  const wall = secondsFromCivil({
    ...civil,
    year: civil.year + years,
    month: civil.month + months,
    day: civil.day + days,
  });
  if (Math.abs(wall) > 1e11) throw badValue("time outside of valid range");
  return safe(BigInt(utcOf(wall, time.zone)) * NS_PER_SECOND + BigInt(time.nanosecond));
}

/** The time at which the zone's clocks show this; in a gap or overlap the offset that Go would choose. */
function utcOf(wall: number, zoneOf: Zone): number {
  const guess = wall - zoneOf.offset(wall);
  return wall - zoneOf.offset(guess);
}

function diff(args: readonly Value[], ctx: BuiltinContext): RArray {
  const first = momentAt(args, 0, ctx);
  const second = { ...momentAt(args, 1, ctx), zone: first.zone };
  const swapped =
    first.seconds > second.seconds ||
    (first.seconds === second.seconds && first.nanosecond > second.nanosecond);
  const [from, to] = swapped ? [second, first] : [first, second];
  return RArray.of(difference(local(from), local(to)));
}

/** Years, months, days, hours, minutes and seconds between two times, the earlier one first. */
function difference(from: Civil, to: Civil): number[] {
  const fields = [
    to.year - from.year,
    to.month - from.month,
    to.day - from.day,
    to.hour - from.hour,
    to.minute - from.minute,
    // Nanoseconds do not count, as in OPA.
    to.second - from.second,
  ];
  const units = [0, 12, daysInMonth(from.year, from.month), 24, 60, 60];
  for (let at = 5; at > 0; at--) {
    const field = fields[at] ?? 0;
    if (field >= 0) continue;
    fields[at] = field + (units[at] ?? 0);
    fields[at - 1] = (fields[at - 1] ?? 0) - 1;
  }
  return fields;
}

function parseWith(text: string, layout: string, ctx: BuiltinContext): Num {
  if (text.length > 4096 || layout.length > 4096) throw badValue("a time or layout that is too long");
  ctx.charge(text.length + layout.length * 8);
  return safe(parseTime(text, layout));
}

const NS_OR_ZONED = anyOf("number", tupleOf("number", "string"));
const THREE: TypeSpec = tupleOf("number", "number", "number");
const SIX: TypeSpec = tupleOf("number", "number", "number", "number", "number", "number");

function parts(name: string, fields: (time: LocalTime) => number[]): Builtin {
  return define(name, [NS_OR_ZONED], THREE, (args, ctx) => RArray.of(fields(local(momentAt(args, 0, ctx)))));
}

export const TIME: readonly Builtin[] = [
  define("time.now_ns", [], "number", (_, ctx) => fromBigInt(ctx.nowNs), { deterministic: false }),
  define("time.parse_rfc3339_ns", ["string"], "number", (args, ctx) =>
    parseWith(stringAt(args, 0), RFC3339, ctx),
  ),
  define("time.parse_ns", ["string", "string"], "number", (args, ctx) =>
    parseWith(stringAt(args, 1), stringAt(args, 0), ctx),
  ),
  define("time.parse_duration_ns", ["string"], "number", (args) =>
    fromBigInt(parseDuration(stringAt(args, 0))),
  ),
  define("time.format", [anyOf(NS_OR_ZONED, tupleOf("number", "string", "string"))], "string", format),
  define("time.add_date", [NS_OR_ZONED, "number", "number", "number"], "number", addDate),
  define("time.diff", [NS_OR_ZONED, NS_OR_ZONED], SIX, diff),
  define("time.weekday", [NS_OR_ZONED], "string", (args, ctx) => {
    return WEEKDAYS[weekday(local(momentAt(args, 0, ctx)))];
  }),
  parts("time.clock", ({ hour, minute, second }) => [hour, minute, second]),
  parts("time.date", ({ year, month, day }) => [year, month, day]),
];
