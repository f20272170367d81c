import { toWellFormed } from "./bytes.ts";
import { wrapJson } from "./collections.ts";
import { compareText } from "./compare.ts";
import { JsonReader } from "./json-reader.ts";
import { MAX_TEXT_LENGTH, TextBuffer } from "./text.ts";
import type { RObject, Value } from "./value.ts";

export { JsonTextError } from "./json-reader.ts";

/**
 * A plain JS document (objects, arrays, strings, numbers, `bigint`, booleans, null) as a value. It is wrapped
 * on first access, so the caller must not change it afterwards. Members named `__proto__`, `constructor` and
 * the like are data like any other.
 */
export function fromJson(json: unknown): Value {
  return wrapJson(json);
}

/**
 * The value as a plain JS document: sets as ascending arrays, large integers as `bigint`, keys that are not
 * strings as their JSON text.
 */
export function toJson(value: Value): unknown {
  if (typeof value === "string") return toWellFormed(value);
  if (typeof value !== "object" || value === null) return value;
  if (value.kind === "array") return value.items.map(toJson);
  if (value.kind === "set") return value.members().map(toJson);
  const object: Record<string, unknown> = {};
  for (const [name, member] of value.entries()) setOwn(object, memberName(name), toJson(member));
  return object;
}

function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  // Plain assignment to this one name would set the prototype instead of a member.
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}

/**
 * Reads one JSON text exactly; a member that occurs twice has its last value.
 *
 * @throws JsonTextError when the text is not JSON
 * @throws BudgetError when it is nested too deeply or holds a number that is too long
 */
export function parseJson(text: string): Value {
  return wrapJson(readJsonText(text));
}

/** As `parseJson`, but as a plain JS document with `bigint` for integers beyond ±(2^53−1). */
export function readJsonText(text: string): unknown {
  return new JsonReader(text).document();
}

/** White space of indented JSON. */
export interface JsonLayout {
  /** Put before every line. */
  readonly prefix: string;
  /** One level of nesting. */
  readonly indent: string;
}

/**
 * JSON text: compact unless a layout is given, keys ascending, sets as ascending arrays, `<`, `>`, `&`, U+2028
 * and U+2029 escaped so that the text is safe inside HTML.
 *
 * @throws BudgetError when it would be longer than `maxLength`
 */
export function marshalJson(value: Value, layout?: JsonLayout, maxLength = MAX_TEXT_LENGTH): string {
  const out = new TextBuffer(maxLength);
  out.append(layout?.prefix ?? "");
  write(value, out, layout, `\n${layout?.prefix ?? ""}`);
  return out.text;
}

/** The name of a member in JSON: strings as they are, every other key as its JSON text. */
export function memberName(name: Value): string {
  return typeof name === "string" ? toWellFormed(name) : marshalJson(name);
}

function write(value: Value, out: TextBuffer, layout: JsonLayout | undefined, line: string): void {
  if (typeof value === "string") out.append(quoteJson(value));
  else if (typeof value !== "object" || value === null) out.append(String(value));
  else if (value.kind === "object") writeObject(value, out, layout, line);
  else writeList(value.kind === "array" ? value.items : value.members(), out, layout, line);
}

function writeList(
  items: readonly Value[],
  out: TextBuffer,
  layout: JsonLayout | undefined,
  line: string,
): void {
  if (items.length === 0) {
    out.append("[]");
    return;
  }
  const inner = line + (layout?.indent ?? "");
  let separator = "[";
  for (const item of items) {
    out.append(layout === undefined ? separator : separator + inner);
    write(item, out, layout, inner);
    separator = ",";
  }
  out.append(layout === undefined ? "]" : `${line}]`);
}

function writeObject(value: RObject, out: TextBuffer, layout: JsonLayout | undefined, line: string): void {
  if (value.size === 0) {
    out.append("{}");
    return;
  }
  const inner = line + (layout?.indent ?? "");
  let separator = "{";
  for (const [name, member] of namedMembers(value)) {
    out.append(layout === undefined ? separator : separator + inner);
    out.append(quoteJson(name) + (layout === undefined ? ":" : ": "));
    write(member, out, layout, inner);
    separator = ",";
  }
  out.append(layout === undefined ? "}" : `${line}}`);
}

function namedMembers(value: RObject): (readonly [string, Value])[] {
  const members = value.entries().map(([name, member]) => [memberName(name), member] as const);
  return members.sort(([a], [b]) => compareText(a, b));
}

/** A JSON string literal as Go's encoder writes it. */
export function quoteJson(text: string): string {
  const literal = JSON.stringify(toWellFormed(text));
  if (!needsHtmlEscape(literal)) return literal;
  let out = "";
  for (const character of literal) out += HTML_ESCAPES.get(character) ?? character;
  return out;
}

const HTML_ESCAPES: ReadonlyMap<string, string> = new Map(
  ["<", ">", "&", "\u2028", "\u2029"].map((character) => [
    character,
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  ]),
);

function needsHtmlEscape(text: string): boolean {
  for (const character of HTML_ESCAPES.keys()) if (text.includes(character)) return true;
  return false;
}
