/** When an answer of OPA is the same as one of ours. */
import type { Outcome } from "../../src/policy/rego/index.ts";
import type { OpaAnswer } from "./opa-server.ts";

/** Whether both engines answer the same. */
export function agree(ours: Outcome, theirs: OpaAnswer): boolean {
  if (ours.kind === "value") return theirs.kind === "value" && sameJson(ours.value, theirs.value);
  if (ours.kind !== "error" || theirs.kind !== "error") return ours.kind === theirs.kind;
  return theirs.errors.some(({ code }) => errorClass(code) === errorClass(ours.error.code));
}

/** OPA tells bad operands of built-ins under two codes, and not always under the same as we do. */
function errorClass(code: string): string {
  return code === "eval_type_error" ? "eval_builtin_error" : code;
}

/** Equal JSON; OPA has some more bits in fractions. */
function sameJson(a: unknown, b: unknown): boolean {
  if (isNumber(a) && isNumber(b)) return a === b || isClose(Number(a), Number(b));
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, at) => sameJson(item, b[at]));
  }
  if (typeof a === "string" && typeof b === "string") return a === b || goTypes(a) === goTypes(b);
  if (!isObject(a) || !isObject(b)) return a === b;
  const others = new Map(Object.entries(b).map(([name, value]) => [goTypes(name), value]));
  const entries = Object.entries(a);
  if (entries.length !== others.size) return false;
  return entries.every(
    ([name, value]) => others.has(goTypes(name)) && sameJson(value, others.get(goTypes(name))),
  );
}

/** `%!s(int=3)` of `sprintf`: which of its types Go takes for a number depends on where the number came from. */
function goTypes(text: string): string {
  return text.replace(/%!([a-z])\((int64|int|float64)=/g, "%!$1(number=");
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function isClose(a: number, b: number): boolean {
  return !Number.isInteger(a) && Math.abs(a - b) <= Math.abs(a) * 1e-15;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
