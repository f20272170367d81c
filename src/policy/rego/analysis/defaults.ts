/** Rules about `default`. */
import type { Rule, Term } from "../ast.ts";
import type { Problems } from "./problems.ts";

/** The value must be known without evaluating anything outside of comprehensions; OPA reports this while parsing. */
export function checkDefault(rule: Rule, problems: Problems): void {
  if (!rule.isDefault) return;
  const loc = rule.loc;
  const fault = (text: string): void =>
    problems.error("rego_parse_error", `illegal default rule (${text})`, loc);
  const bad = rule.head.value === undefined ? undefined : notGround(rule.head.value);
  if (bad !== undefined) fault(`value cannot contain ${bad}`);
  const seen = new Set<string>();
  for (const arg of rule.head.args ?? []) {
    if (arg.kind !== "var") fault(`arguments cannot contain ${kindName(arg)}`);
    else if (arg.name !== "_" && seen.has(arg.name)) fault("arguments cannot be repeated");
    else seen.add(arg.name);
  }
}

function notGround(term: Term): string | undefined {
  switch (term.kind) {
    case "var":
    case "ref":
    case "call":
      return term.kind;
    case "array":
    case "set":
      return term.items.map(notGround).find((found) => found !== undefined);
    case "object":
      return term.entries
        .flat()
        .map(notGround)
        .find((found) => found !== undefined);
    default:
      return undefined;
  }
}

function kindName(term: Term): string {
  if (term.kind !== "scalar") return term.kind;
  if (term.value === null) return "null";
  return typeof term.value === "bigint" ? "number" : typeof term.value;
}
