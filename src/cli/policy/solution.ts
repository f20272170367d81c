import type { JsonValue } from "../../json/value.ts";
import type { QuerySolution } from "../../policy/rego/index.ts";

/** What a solution is about: the value of the one expression, or else what the variables are bound to. */
export function solutionValue({ expressions, bindings }: QuerySolution): JsonValue {
  const names = Object.keys(bindings);
  const [only] = expressions;
  if (names.length === 0 && expressions.length === 1) return only?.value as JsonValue; // made by `toJson`
  if (names.length === 1 && expressions.length === 1 && only?.value === true)
    return bindings[names[0] ?? ""] as JsonValue; // made by `toJson`
  return names.length === 0 ? true : (bindings as JsonValue); // values made by `toJson`
}
