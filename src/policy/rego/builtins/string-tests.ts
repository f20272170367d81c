import { RArray } from "../collections.ts";
import type { Value } from "../value.ts";
import {
  type Builtin,
  type BuiltinContext,
  badOperand,
  badValue,
  define,
  stringAt,
  textsAt,
} from "./builtin.ts";
import { produced } from "./strings.ts";
import { anyOf, arrayOf, TEXTS } from "./types.ts";
import { codePointIndex, countCodePoints, isSpace } from "./unicode.ts";

function count(text: string, part: string): number {
  if (part === "") return countCodePoints(text) + 1;
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  return found;
}

function indexOf(text: string, part: string): number {
  if (part === "") throw badValue("empty search character");
  const position = text.indexOf(part);
  return position < 0 ? -1 : codePointIndex(text, position);
}

/** All occurrences, overlapping ones included, as code point indexes. */
function indexesOf(text: string, part: string, ctx: BuiltinContext): RArray {
  if (part === "") throw badValue("empty search character");
  const found: number[] = [];
  let index = 0;
  let previous = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) {
    ctx.cells(1);
    ctx.charge(1);
    index += countCodePoints(text.slice(previous, at));
    previous = at;
    found.push(index);
  }
  return RArray.of(found);
}

function textOrTextsAt(args: readonly Value[], at: number): readonly string[] {
  const value = args[at];
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null || value.kind === "object")
    throw badOperand(at, "one of {string, set, array}", value);
  return textsAt(args, at);
}

/** Whether any text starts (or ends) with any of the parts; one look-up per different part length. */
function anyMatch(
  args: readonly Value[],
  ctx: BuiltinContext,
  cut: (text: string, n: number) => string,
): boolean {
  const texts = textOrTextsAt(args, 0);
  const parts = new Set(textOrTextsAt(args, 1));
  const lengths = [...new Set([...parts].map((part) => part.length))];
  ctx.charge(parts.size + texts.length * lengths.length);
  return texts.some((text) => lengths.some((n) => n <= text.length && parts.has(cut(text, n))));
}

/** The text without the characters of the set at its ends. */
function trim(text: string, inSet: (character: string) => boolean, left: boolean, right: boolean): string {
  let start = 0;
  let end = text.length;
  while (left && start < end) {
    const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
    if (!inSet(character)) break;
    start += character.length;
  }
  while (right && end > start) {
    const character = lastCharacter(text, end);
    if (!inSet(character)) break;
    end -= character.length;
  }
  return text.slice(start, end);
}

function lastCharacter(text: string, end: number): string {
  const pair = text.slice(Math.max(0, end - 2), end);
  return pair.length === 2 && (pair.codePointAt(0) ?? 0) > 0xffff ? pair : text.slice(end - 1, end);
}

function trimmer(name: string, left: boolean, right: boolean): Builtin {
  return define(name, ["string", "string"], "string", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.charge((text.length >> 2) + (stringAt(args, 1).length >> 1));
    const cutset = new Set(stringAt(args, 1));
    return produced(
      trim(text, (character) => cutset.has(character), left, right),
      ctx,
    );
  });
}

function test(name: string, holds: (text: string, part: string) => boolean): Builtin {
  return define(name, ["string", "string"], "boolean", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.charge(text.length >> 6);
    return holds(text, stringAt(args, 1));
  });
}

const TEXT_OR_TEXTS = anyOf("string", TEXTS);

const AFFIXES: readonly Builtin[] = [
  define("strings.any_prefix_match", [TEXT_OR_TEXTS, TEXT_OR_TEXTS], "boolean", (args, ctx) =>
    anyMatch(args, ctx, (text, n) => text.slice(0, n)),
  ),
  define("strings.any_suffix_match", [TEXT_OR_TEXTS, TEXT_OR_TEXTS], "boolean", (args, ctx) =>
    anyMatch(args, ctx, (text, n) => text.slice(text.length - n)),
  ),
  define("trim_prefix", ["string", "string"], "string", (args) => {
    const [text, prefix] = [stringAt(args, 0), stringAt(args, 1)];
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  }),
  define("trim_suffix", ["string", "string"], "string", (args) => {
    const [text, suffix] = [stringAt(args, 0), stringAt(args, 1)];
    return text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text;
  }),
];

/** Functions that look for text in text, or cut its ends. */
export const STRING_TESTS: readonly Builtin[] = [
  test("contains", (text, part) => text.includes(part)),
  test("startswith", (text, part) => text.startsWith(part)),
  test("endswith", (text, part) => text.endsWith(part)),
  define("indexof", ["string", "string"], "number", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.charge(text.length >> 6);
    return indexOf(text, stringAt(args, 1));
  }),
  define("indexof_n", ["string", "string"], arrayOf("number"), (args, ctx) =>
    indexesOf(stringAt(args, 0), stringAt(args, 1), ctx),
  ),
  define("strings.count", ["string", "string"], "number", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.charge(text.length >> 4);
    return count(text, stringAt(args, 1));
  }),
  trimmer("trim", true, true),
  trimmer("trim_left", true, false),
  trimmer("trim_right", false, true),
  define("trim_space", ["string"], "string", (args, ctx) =>
    produced(
      trim(stringAt(args, 0), (character) => isSpace(character.charCodeAt(0)), true, true),
      ctx,
    ),
  ),
  ...AFFIXES,
];
