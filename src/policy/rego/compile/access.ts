/** Steps into values. */
import type { Evaluation } from "../evaluation.ts";
import type { Value } from "../value.ts";

/** `value[step]`: an element by its position, a member by its key, a member of a set by itself. */
export function lookup(value: Value, step: Value): Value | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (value.kind === "object") return value.get(step);
  if (value.kind === "array") return typeof step === "number" ? value.get(step) : undefined;
  return value.has(step) ? step : undefined;
}

export function walk(start: Value | undefined, path: readonly Value[]): Value | undefined {
  let value = start;
  for (let at = 0; at < path.length && value !== undefined; at += 1) value = lookup(value, path[at] as Value); // in range by the loop's own bound
  return value;
}

/**
 * Visits the steps into a value in ascending order: index and element, key and member, member and member.
 * @returns whether a visit asked to stop
 */
export function eachChild(
  value: Value,
  e: Evaluation,
  visit: (step: Value, child: Value) => boolean,
): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value.kind === "array") {
    const { items } = value;
    for (let at = 0; at < items.length; at += 1) {
      e.charge(1);
      if (visit(at, items[at] as Value)) return true; // in range by the loop's own bound
    }
    return false;
  }
  if (value.kind === "set") {
    for (const member of value.members()) {
      e.charge(1);
      if (visit(member, member)) return true;
    }
    return false;
  }
  for (const name of value.keys()) {
    e.charge(1);
    const member = value.get(name);
    if (member !== undefined && visit(name, member)) return true;
  }
  return false;
}
