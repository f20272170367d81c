import type { JsonObject, JsonValue } from "./value.ts";

/** Compact JSON text in member order; `bigint` is printed exactly. */
export function writeJson(value: JsonValue): string {
  // The engine's own writer prints the same, several times as fast; what it cannot print is left to ours.
  return isPlain(value) ? JSON.stringify(value) : write(value, (object) => Object.keys(object));
}

/** Whether the engine's writer prints this exactly: no integer beyond doubles, and no number that JSON lacks. */
function isPlain(value: JsonValue | undefined): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "bigint") return false;
  if (typeof value !== "object" || value === null) return true;
  if (isArray(value)) return value.every(isPlain);
  for (const name of Object.keys(value)) if (!isPlain(value[name])) return false;
  return true;
}

/**
 * Canonical JSON (RFC 8785, JCS): members sorted by UTF-16 code units, no white space, minimal escapes.
 * Integers that only `bigint` holds are printed in full, where RFC 8785 would round them to a double.
 *
 * @throws RangeError on a lone surrogate, which has no UTF-8 form (RFC 8785 §3.2.2.2)
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, (object) => Object.keys(object).sort(), wellFormed);
}

function write(
  value: JsonValue,
  names: (object: JsonObject) => string[],
  check?: (text: string) => void,
): string {
  if (typeof value === "string") {
    check?.(value);
    return JSON.stringify(value);
  }
  if (typeof value !== "object" || value === null) return scalar(value);
  if (isArray(value)) return `[${value.map((item) => write(item, names, check)).join(",")}]`;
  const members: string[] = [];
  for (const name of names(value)) {
    const member = value[name];
    if (member === undefined) continue;
    check?.(name);
    members.push(`${JSON.stringify(name)}:${write(member, names, check)}`);
  }
  return `{${members.join(",")}}`;
}

function scalar(value: null | boolean | number | bigint): string {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("JSON has no such number");
  return Object.is(value, -0) ? "0" : String(value);
}

function wellFormed(text: string): void {
  // Most texts have no surrogates at all, which is quicker to see than that those they have come in pairs.
  if (/[\ud800-\udfff]/.test(text) && /\p{Surrogate}/u.test(text))
    throw new RangeError("a lone surrogate has no canonical form");
}

/** `Array.isArray` that narrows read-only arrays as well. */
export function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Whether a JSON value is an object; arrays and null are none. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Own member `name`; inherited names such as `constructor` do not exist. */
export function member(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
