import { BudgetError } from "../errors.ts";
import type { BuiltinContext } from "./builtin.ts";

/**
 * Replaces all patterns at once, left to right, without looking at what was put in. Where several patterns
 * match, the first one listed wins; an empty pattern matches around every code point.
 *
 * @throws BudgetError
 */
export function replaceAll(
  text: string,
  pairs: readonly (readonly [string, string])[],
  ctx: BuiltinContext,
): string {
  const single = pairs.length === 1 ? pairs[0] : undefined;
  if (single !== undefined && single[0] !== "") return replaceOne(text, single[0], single[1], ctx);
  ctx.charge((text.length >> 2) * pairs.length + 1);
  return replaceMany(text, pairs, ctx);
}

function replaceOne(text: string, from: string, to: string, ctx: BuiltinContext): string {
  ctx.charge(text.length >> 4);
  const pieces = text.split(from);
  const length = text.length + (pieces.length - 1) * (to.length - from.length);
  ctx.stringBytes(length);
  return pieces.join(to);
}

function replaceMany(
  text: string,
  pairs: readonly (readonly [string, string])[],
  ctx: BuiltinContext,
): string {
  let out = "";
  let at = 0;
  let afterEmpty = false;
  while (at <= text.length) {
    const match = pairs.find(([from]) => (from === "" ? !afterEmpty : text.startsWith(from, at)));
    afterEmpty = match?.[0] === "";
    const piece = match === undefined ? codePointAt(text, at) : match[1];
    if (out.length + piece.length > ctx.limits.stringLength) throw new BudgetError("stringLength");
    out += piece;
    at += match === undefined ? Math.max(1, piece.length) : match[0].length;
  }
  ctx.stringBytes(out.length);
  return out;
}

function codePointAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}
