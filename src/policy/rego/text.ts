/** How values look to people: Rego source syntax, keys and members in ascending order. */
import { escapedByte, isEscapedByte } from "./bytes.ts";
import { BudgetError } from "./errors.ts";
import type { Value } from "./value.ts";

/** Longest text that one value may turn into, in UTF-16 code units. */
export const MAX_TEXT_LENGTH = 4 * 1024 * 1024;

/**
 * What `print` and `sprintf("%v")` write: Rego source, but a string on its own without quotes.
 *
 * @throws BudgetError when the text would be longer than `maxLength`
 */
export function textForm(value: Value, maxLength = MAX_TEXT_LENGTH): string {
  return typeof value === "string" ? value : sourceForm(value, maxLength);
}

/** The value as Rego source; strings are quoted. @throws BudgetError as `textForm` */
export function sourceForm(value: Value, maxLength = MAX_TEXT_LENGTH): string {
  const out = new TextBuffer(maxLength);
  write(value, out);
  return out.text;
}

/** Text that is being put together and must not grow beyond a bound. */
export class TextBuffer {
  text = "";
  readonly #maxLength: number;

  constructor(maxLength = MAX_TEXT_LENGTH) {
    this.#maxLength = maxLength;
  }

  /** @throws BudgetError */
  append(piece: string): void {
    if (this.text.length + piece.length > this.#maxLength) throw new BudgetError("stringLength");
    this.text += piece;
  }
}

function write(value: Value, out: TextBuffer): void {
  if (typeof value === "string") out.append(quote(value));
  else if (typeof value !== "object" || value === null) out.append(String(value));
  else if (value.kind === "array") writeList("[", value.items, "]", out);
  else if (value.kind === "object") writeObject(value.entries(), out);
  else if (value.size === 0) out.append("set()");
  else writeList("{", value.members(), "}", out);
}

function writeList(open: string, items: readonly Value[], close: string, out: TextBuffer): void {
  let separator = open;
  for (const item of items) {
    out.append(separator);
    write(item, out);
    separator = ", ";
  }
  out.append(items.length === 0 ? open + close : close);
}

function writeObject(entries: readonly (readonly [Value, Value])[], out: TextBuffer): void {
  let separator = "{";
  for (const [name, value] of entries) {
    out.append(separator);
    write(name, out);
    out.append(": ");
    write(value, out);
    separator = ", ";
  }
  out.append(entries.length === 0 ? "{}" : "}");
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x0c, "\\f"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
  [0x0b, "\\v"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);

/** A string literal as Go's `strconv.Quote` writes it; `asciiOnly` escapes everything beyond ASCII. */
export function quote(text: string, asciiOnly = false): string {
  if (isPlain(text)) return `"${text}"`;
  let out = "";
  for (const character of text) out += escapeCharacter(character, asciiOnly, '"');
  return `"${out}"`;
}

/** A character literal as Go's `strconv.QuoteRune` writes it. */
export function quoteRune(character: string, asciiOnly = false): string {
  return `'${escapeCharacter(character, asciiOnly, "'")}'`;
}

function escapeCharacter(character: string, asciiOnly: boolean, delimiter: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === delimiter) return `\\${character}`;
  if (code === 0x22) return character;
  const escaped = ESCAPES.get(code);
  if (escaped !== undefined) return escaped;
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`;
  if (code < 0x7f) return character;
  if (isEscapedByte(code)) return `\\x${hex(escapedByte(code), 2)}`;
  if (!asciiOnly && isPrintable(character)) return character;
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return false;
  }
  return true;
}

/** Letters, marks, numbers, punctuation and symbols. One character at a time, so the pattern cannot backtrack. */
export function isPrintable(character: string): boolean {
  return PRINTABLE.test(character);
}

const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
// Compiled now: V8 ends the process when it must compile a pattern with too little stack left.
PRINTABLE.test("é");

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, "0");
}
