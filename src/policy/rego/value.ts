/**
 * Rego values. One value has one representation, so that equality of scalars is `===`:
 * - numbers: a JS number for every non-integer and every integer with |n| ≤ 2^53−1; a bigint for larger
 *   integers; never NaN, ±Infinity or −0
 * - composites are immutable and compare by value through `compare`/`equal`
 * `undefined` is not a value but the absence of one.
 */
export type Value = Scalar | Composite;

/** Values that `===` compares and a `Map` can use as a key. */
export type Scalar = null | boolean | number | bigint | string;

/** Values that hold other values. */
export type Composite = RArray | RObject | RSet;

import type { RArray, RObject, RSet } from "./collections.ts";

export type { RArray, RObject, RSet };

/** Names as `type_name` reports them. */
export type TypeName = "null" | "boolean" | "number" | "string" | "array" | "object" | "set";

/** The type of a value; it decides most orderings and every operand check. */
export function typeName(value: Value): TypeName {
  switch (typeof value) {
    case "string":
      return "string";
    case "number":
    case "bigint":
      return "number";
    case "boolean":
      return "boolean";
    default:
      return value === null ? "null" : value.kind;
  }
}

/** Whether the value is neither array, object nor set. */
export function isScalar(value: Value): value is Scalar {
  return typeof value !== "object" || value === null;
}

/** Whether the value is a number in either representation. */
export function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Narrows to arrays. */
export function isArray(value: Value | undefined): value is RArray {
  return typeof value === "object" && value !== null && value.kind === "array";
}

/** Narrows to objects. */
export function isObject(value: Value | undefined): value is RObject {
  return typeof value === "object" && value !== null && value.kind === "object";
}

/** Narrows to sets. */
export function isSet(value: Value | undefined): value is RSet {
  return typeof value === "object" && value !== null && value.kind === "set";
}
