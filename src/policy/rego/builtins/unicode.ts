/** Strings as sequences of Unicode code points, with a fast path for text that is all single UTF-16 units. */

/** Whether the text holds a surrogate, so that code points and UTF-16 units differ. */
export function hasSurrogates(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit <= 0xdfff) return true;
  }
  return false;
}

export function countCodePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at + 1 < text.length; at++) if (isPair(text, at)) count--;
  return count;
}

/** Whether a surrogate pair starts at this UTF-16 position. */
function isPair(text: string, at: number): boolean {
  const high = text.charCodeAt(at);
  if (high < 0xd800 || high > 0xdbff) return false;
  const low = text.charCodeAt(at + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}

/** The code point index of a UTF-16 position. */
export function codePointIndex(text: string, position: number): number {
  return countCodePoints(text.slice(0, position));
}

/** Part of a text by code points, `end` exclusive. */
export function sliceCodePoints(text: string, start: number, end: number): string {
  if (!hasSurrogates(text)) return text.slice(start, end);
  return [...text].slice(start, end).join("");
}

/** Lower case, one code point for one code point, as Go maps them. */
export function lowerSimple(text: string): string {
  return mapSimple(text, (character) => character.toLowerCase());
}

/** Upper case, one code point for one code point: `ß` stays `ß`. */
export function upperSimple(text: string): string {
  return mapSimple(text, (character) => character.toUpperCase());
}

function mapSimple(text: string, convert: (character: string) => string): string {
  if (isAscii(text)) return convert(text);
  let out = "";
  for (const character of text) out += mapCharacter(character, convert(character));
  return out;
}

function mapCharacter(character: string, converted: string): string {
  const special = SIMPLE_MAPPINGS.get(`${character}${converted}`);
  if (special !== undefined) return special;
  return countCodePoints(converted) === 1 ? converted : character;
}

/** Characters whose full mapping has several code points although a simple mapping exists. */
const SIMPLE_MAPPINGS: ReadonlyMap<string, string> = new Map([["\u0130i\u0307", "i"], ...simpleUpperGreek()]);

/** U+1F80–U+1FFC with an iota: the simple upper case is the title case letter (UnicodeData.txt, field 12). */
function simpleUpperGreek(): [string, string][] {
  const pairs: [number, number][] = [];
  for (const block of [0x1f80, 0x1f90, 0x1fa0])
    for (let at = 0; at < 8; at++) pairs.push([block + at, block + at + 8]);
  pairs.push([0x1fb3, 0x1fbc], [0x1fc3, 0x1fcc], [0x1ff3, 0x1ffc]);
  return pairs.map(([lower, upper]) => {
    const character = String.fromCodePoint(lower);
    return [character + character.toUpperCase(), String.fromCodePoint(upper)];
  });
}

export function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** White space as Unicode defines it (property White_Space), which is not what `trim` cuts: U+FEFF is none. */
export function isSpace(unit: number): boolean {
  if (unit <= 0x20) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return SPACES.has(unit) || (unit >= 0x2000 && unit <= 0x200a);
}

const SPACES: ReadonlySet<number> = new Set([0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]);
