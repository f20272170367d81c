import { type Matcher, RE2JS } from "re2js";
import { RArray } from "../collections.ts";
import { BudgetError, BuiltinError } from "../errors.ts";
import { TextBuffer } from "../text.ts";
import type { Value } from "../value.ts";
import {
  anyAt,
  type Builtin,
  type BuiltinContext,
  badValue,
  define,
  integerAt,
  stringAt,
} from "./builtin.ts";
import { produced, producedTexts } from "./strings.ts";
import { arrayOf } from "./types.ts";

/** A search takes up to a microsecond per character where the engine falls back to its slow way. */
const STEPS_PER_CHARACTER = 8;

/** Pattern and subject of a search, both bounded and paid for. The engine is linear in the subject. */
export function matcher(pattern: string, subject: string, ctx: BuiltinContext): Matcher {
  if (subject.length > ctx.limits.regexSubjectLength) throw new BudgetError("regexSubjectLength");
  const compiled = ctx.regexCache.compile(pattern, ctx.limits);
  ctx.charge(1 + (compiled.programSize() >> 3) + subject.length * STEPS_PER_CHARACTER);
  return compiled.matcher(subject);
}

function isValid(value: Value, ctx: BuiltinContext): boolean {
  if (typeof value !== "string") return false;
  try {
    ctx.regexCache.compile(value, ctx.limits);
    return true;
  } catch (error) {
    if (error instanceof BuiltinError) return false;
    throw error;
  }
}

const STEPS_PER_MATCH = 20;

/** Calls `visit` for each match as Go finds them: an empty match next to the previous one does not count. */
function forEachMatch(
  search: Matcher,
  limit: number,
  ctx: BuiltinContext,
  visit: (search: Matcher) => void,
): void {
  let previousEnd = -1;
  for (let found = 0; (limit < 0 || found < limit) && search.find(); ) {
    // Every further search starts anew and may look at all that is left.
    ctx.charge(STEPS_PER_MATCH + ((search.inputLength() - search.end()) >> 9));
    const empty = search.start() === search.end();
    if (empty && search.start() === previousEnd) continue;
    previousEnd = search.end();
    found++;
    visit(search);
  }
}

function findN(args: readonly Value[], ctx: BuiltinContext): RArray {
  const found: string[] = [];
  forEachMatch(matcher(stringAt(args, 0), stringAt(args, 1), ctx), integerAt(args, 2), ctx, (search) => {
    found.push(search.group() ?? "");
  });
  return producedTexts(found, ctx);
}

function findSubmatches(args: readonly Value[], ctx: BuiltinContext): RArray {
  const found: RArray[] = [];
  forEachMatch(matcher(stringAt(args, 0), stringAt(args, 1), ctx), integerAt(args, 2), ctx, (search) => {
    ctx.cells(search.groupCount() + 2);
    found.push(RArray.of(Array.from({ length: search.groupCount() + 1 }, (_, at) => search.group(at) ?? "")));
  });
  return RArray.of(found);
}

function split(args: readonly Value[], ctx: BuiltinContext): RArray {
  const pattern = stringAt(args, 0);
  const subject = stringAt(args, 1);
  const search = matcher(pattern, subject, ctx);
  if (pattern.length > 0 && subject.length === 0) return RArray.of([""]);
  const pieces: string[] = [];
  let start = 0;
  let lastMatch = 0;
  forEachMatch(search, -1, ctx, (match) => {
    lastMatch = match.start();
    if (match.end() > 0) pieces.push(subject.slice(start, lastMatch));
    start = match.end();
  });
  // A match at the very end, which is then empty, leaves no piece behind it.
  if (lastMatch < subject.length) pieces.push(subject.slice(start));
  return producedTexts(pieces, ctx);
}

function replace(args: readonly Value[], ctx: BuiltinContext): string {
  const subject = stringAt(args, 0);
  const replacement = template(stringAt(args, 2));
  const search = matcher(stringAt(args, 1), subject, ctx);
  const out = new TextBuffer(ctx.limits.stringLength);
  let start = 0;
  forEachMatch(search, -1, ctx, (match) => {
    out.append(subject.slice(start, match.start()));
    for (const part of replacement) out.append(typeof part === "string" ? part : groupText(match, part));
    start = match.end();
  });
  out.append(subject.slice(start));
  return produced(out.text, ctx);
}

/** Text as it is, or the name of a group. */
type TemplatePart = string | { readonly group: string };

function groupText(match: Matcher, { group }: { readonly group: string }): string {
  if (isNumber(group)) return Number(group) <= match.groupCount() ? (match.group(Number(group)) ?? "") : "";
  return Object.hasOwn(match.namedGroups, group) ? (match.group(group) ?? "") : "";
}

function isNumber(text: string): boolean {
  if (text.length > 6) return false;
  for (const character of text) if (character < "0" || character > "9") return false;
  return text !== "";
}

/** Go's replacement syntax: `$name`, `$1`, `${name}`, `$$`; a malformed reference stays as it is. */
function template(text: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  let at = 0;
  for (let dollar = text.indexOf("$"); dollar >= 0; dollar = text.indexOf("$", at)) {
    parts.push(text.slice(at, dollar));
    const next = reference(text, dollar);
    parts.push(next.part);
    at = next.end;
  }
  parts.push(text.slice(at));
  return parts;
}

function reference(text: string, dollar: number): { readonly part: TemplatePart; readonly end: number } {
  if (text[dollar + 1] === "$") return { part: "$", end: dollar + 2 };
  const brace = text[dollar + 1] === "{";
  const start = dollar + (brace ? 2 : 1);
  let end = start;
  while (isWordCharacter(text.charCodeAt(end))) end++;
  const closed = !brace || text[end] === "}";
  if (end === start || !closed) return { part: "$", end: dollar + 1 };
  return { part: { group: text.slice(start, end) }, end: brace ? end + 1 : end };
}

function isWordCharacter(unit: number): boolean {
  return (
    unit === 0x5f ||
    (unit >= 0x30 && unit <= 0x39) ||
    (unit >= 0x41 && unit <= 0x5a) ||
    (unit >= 0x61 && unit <= 0x7a)
  );
}

/** A literal text with patterns between delimiters, matched as a whole. */
function templateMatch(args: readonly Value[], ctx: BuiltinContext): boolean {
  const [template, subject] = [stringAt(args, 0), stringAt(args, 1)];
  const [open, close] = [stringAt(args, 2), stringAt(args, 3)];
  if ([...open].length !== 1) throw badValue("start delimiter has to be exactly one character");
  if ([...close].length !== 1) throw badValue("end delimiter has to be exactly one character");
  if (template.length > ctx.limits.regexPatternLength) throw new BudgetError("regexPatternLength");
  ctx.charge(template.length);
  return matcher(templatePattern(template, open, close), subject, ctx).find();
}

function templatePattern(template: string, open: string, close: string): string {
  let pattern = "^";
  let end = 0;
  for (const [start, stop] of delimited(template, open, close)) {
    const inner = template.slice(start + open.length, stop - close.length);
    pattern += `${RE2JS.quote(template.slice(end, start))}(${inner})`;
    end = stop;
  }
  return `${pattern}${RE2JS.quote(template.slice(end))}$`;
}

/** Outermost delimited parts, from the opening delimiter to behind the closing one. */
function delimited(template: string, open: string, close: string): [number, number][] {
  const found: [number, number][] = [];
  let level = 0;
  let start = 0;
  for (let at = 0; at < template.length; at++) {
    if (template.startsWith(open, at)) {
      if (level === 0) start = at;
      level++;
    } else if (template.startsWith(close, at)) {
      level--;
      if (level === 0) found.push([start, at + close.length]);
      if (level < 0) throw badValue("unbalanced delimiters in the template");
    }
  }
  if (level !== 0) throw badValue("unbalanced delimiters in the template");
  return found;
}

export const REGEX: readonly Builtin[] = [
  define("regex.is_valid", ["any"], "boolean", (args, ctx) => isValid(anyAt(args, 0), ctx)),
  define("regex.match", ["string", "string"], "boolean", (args, ctx) =>
    matcher(stringAt(args, 0), stringAt(args, 1), ctx).find(),
  ),
  define(
    "re_match",
    ["string", "string"],
    "boolean",
    (args, ctx) => matcher(stringAt(args, 0), stringAt(args, 1), ctx).find(),
    { deprecated: true },
  ),
  define("regex.find_n", ["string", "string", "number"], arrayOf("string"), findN),
  define(
    "regex.find_all_string_submatch_n",
    ["string", "string", "number"],
    arrayOf(arrayOf("string")),
    findSubmatches,
  ),
  define("regex.replace", ["string", "string", "string"], "string", replace),
  define("regex.split", ["string", "string"], arrayOf("string"), split),
  define("regex.template_match", ["string", "string", "string", "string"], "boolean", templateMatch),
];
