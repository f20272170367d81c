import type { IClause } from "./analysis/ir.ts";
import { visitClauseCalls } from "./analysis/visit.ts";
import { key } from "./compare.ts";
import type { Value } from "./value.ts";

/** The constant first arguments of host function calls, so that the host can fetch the answers beforehand. */
export function collectHostArguments(clauses: readonly IClause[]): ReadonlyMap<string, readonly Value[]> {
  const found = new Map<string, Map<string, Value>>();
  for (const clause of clauses) {
    visitClauseCalls(clause, (call) => {
      const [first] = call.args;
      if (call.callee.kind !== "host" || first?.t !== "const") return;
      const { name } = call.callee.host;
      const known = found.get(name) ?? new Map<string, Value>();
      known.set(key(first.value), first.value);
      found.set(name, known);
    });
  }
  return new Map([...found].map(([name, values]) => [name, [...values.values()]]));
}
