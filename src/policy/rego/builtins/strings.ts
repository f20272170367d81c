import { textFromUnits } from "../bytes.ts";
import { RArray } from "../collections.ts";
import { isInteger, type Num } from "../numbers.ts";
import type { Value } from "../value.ts";
import {
  type Builtin,
  type BuiltinContext,
  badType,
  badValue,
  define,
  integerAt,
  numberAt,
  stringAt,
  textsAt,
} from "./builtin.ts";
import { replaceAll } from "./replace.ts";
import { arrayOf, TEXTS } from "./types.ts";
import { lowerSimple, sliceCodePoints, upperSimple } from "./unicode.ts";

/** Counts the text as produced and hands it on. */
export function produced(text: string, ctx: BuiltinContext): string {
  ctx.stringBytes(text.length);
  ctx.charge(text.length >> 6);
  return text;
}

/** Texts as an array, counted. */
export function producedTexts(texts: readonly string[], ctx: BuiltinContext): RArray {
  ctx.cells(texts.length);
  ctx.charge(texts.length >> 4);
  return RArray.of(texts);
}

function concat(args: readonly Value[], ctx: BuiltinContext): string {
  const delimiter = stringAt(args, 0);
  const texts = textsAt(args, 1);
  const length = texts.reduce(
    (sum, text) => sum + text.length,
    delimiter.length * Math.max(0, texts.length - 1),
  );
  ctx.stringBytes(length);
  ctx.charge((length >> 6) + (texts.length >> 4));
  return texts.join(delimiter);
}

function formatInteger(args: readonly Value[], ctx: BuiltinContext): string {
  const value = truncate(numberAt(args, 0));
  const base = Number(numberAt(args, 1));
  if (![2, 8, 10, 16].includes(base)) throw badType("operand 2 must be one of {2, 8, 10, 16}");
  return produced(value.toString(base), ctx);
}

function truncate(value: Num): bigint {
  return BigInt(typeof value === "number" && !isInteger(value) ? Math.trunc(value) : value);
}

function split(args: readonly Value[], ctx: BuiltinContext): RArray {
  const text = stringAt(args, 0);
  const delimiter = stringAt(args, 1);
  ctx.charge(text.length >> 4);
  return producedTexts(delimiter === "" ? [...text] : text.split(delimiter), ctx);
}

/** The first pieces, or the last ones when the number is negative. */
function splitN(args: readonly Value[], ctx: BuiltinContext): RArray {
  const text = stringAt(args, 0);
  const delimiter = stringAt(args, 1);
  const count = integerAt(args, 2);
  ctx.charge(text.length >> 4);
  const pieces = delimiter === "" ? [...text] : text.split(delimiter);
  if (count === 0) return RArray.EMPTY;
  return producedTexts(count > 0 ? pieces.slice(0, count) : pieces.slice(count), ctx);
}

function substring(args: readonly Value[], ctx: BuiltinContext): string {
  const text = stringAt(args, 0);
  const start = integerAt(args, 1);
  const length = integerAt(args, 2);
  if (start < 0) throw badValue("negative offset");
  if (start >= text.length) return "";
  const end = length < 0 ? text.length : start + length;
  ctx.charge(text.length >> 6);
  return produced(sliceCodePoints(text, start, end), ctx);
}

/** Turns the UTF-16 units round, then each surrogate pair back. */
function reverse(text: string): string {
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at++) units[text.length - 1 - at] = text.charCodeAt(at);
  for (let at = 0; at + 1 < units.length; at++) {
    const first = units[at] ?? 0;
    const second = units[at + 1] ?? 0;
    if (first >> 10 !== LOW_SURROGATE || second >> 10 !== HIGH_SURROGATE) continue;
    units[at] = second;
    units[++at] = first;
  }
  return textFromUnits(units);
}

/** The upper six bits of every surrogate of a kind. */
const HIGH_SURROGATE = 0xd800 >> 10;
const LOW_SURROGATE = 0xdc00 >> 10;

function replaceN(args: readonly Value[], ctx: BuiltinContext): string {
  const patterns = args[0];
  if (typeof patterns !== "object" || patterns === null || patterns.kind !== "object")
    throw badType("operand 1 must be object");
  const pairs = patterns.entries().map(([from, to]) => {
    if (typeof from !== "string") throw badType("operand 1 non-string key found in pattern object");
    if (typeof to !== "string") throw badType("operand 1 non-string value found in pattern object");
    return [from, to] as const;
  });
  return replaceAll(stringAt(args, 1), pairs, ctx);
}

/** The operand of a function that works letter by letter. */
function mapped(args: readonly Value[], ctx: BuiltinContext): string {
  const text = stringAt(args, 0);
  ctx.charge(text.length);
  return produced(text, ctx);
}

const LETTERS: readonly Builtin[] = [
  define("lower", ["string"], "string", (args, ctx) => lowerSimple(mapped(args, ctx))),
  define("upper", ["string"], "string", (args, ctx) => upperSimple(mapped(args, ctx))),
  define("strings.reverse", ["string"], "string", (args, ctx) => reverse(produced(stringAt(args, 0), ctx))),
];

/** Functions that make text out of text. */
export const STRINGS: readonly Builtin[] = [
  define("concat", ["string", TEXTS], "string", concat),
  define("format_int", ["number", "number"], "string", formatInteger),
  define("replace", ["string", "string", "string"], "string", (args, ctx) =>
    replaceAll(stringAt(args, 0), [[stringAt(args, 1), stringAt(args, 2)]], ctx),
  ),
  define("strings.replace_n", [{ object: { key: "string", value: "string" } }, "string"], "string", replaceN),
  define("split", ["string", "string"], arrayOf("string"), split),
  define("strings.split_n", ["string", "string", "number"], arrayOf("string"), splitN),
  define("substring", ["string", "number", "number"], "string", substring),
  ...LETTERS,
];
