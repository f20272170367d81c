/** Measurements that say little without others: a policy that compares one alone pins less than it seems to. */
import type { IClause, ITerm, Reference } from "../analysis/ir.ts";
import { ClauseVisitor } from "../analysis/visit.ts";
import { RArray, RSet } from "../collections.ts";
import type { Location } from "../errors.ts";
import type { Value } from "../value.ts";
import type { LintProfile, Warn } from "./profile.ts";

export function lintCompanions(profile: LintProfile, clauses: readonly IClause[], warn: Warn): void {
  const names = new Names();
  for (const clause of clauses) names.clause(clause);
  for (const { member, all, orOneOf, message } of profile.companions ?? []) {
    const loc = names.references.get(member);
    if (loc === undefined || all.every((name) => names.mentioned.has(name))) continue;
    if (orOneOf.some((name) => names.mentioned.has(name))) continue;
    warn("lonely_measurement", message, loc);
  }
}

class Names extends ClauseVisitor {
  /** First reference to a member of that name. */
  readonly references: Map<string, Location> = new Map();
  /** Every text of the policy: members may be chosen by a variable. */
  readonly mentioned: Set<string> = new Set();

  override reference({ path }: Reference): void {
    for (const step of path)
      if (step.t === "const" && typeof step.value === "string" && !this.references.has(step.value))
        this.references.set(step.value, step.loc);
  }

  override term(term: ITerm): void {
    if (term.t === "const") this.#mention(term.value);
    super.term(term);
  }

  #mention(value: Value): void {
    if (typeof value === "string") this.mentioned.add(value);
    if (value instanceof RArray) for (const item of value.items) this.#mention(item);
    if (value instanceof RSet) for (const item of value.members()) this.#mention(item);
  }
}
