/**
 * "Why this value", member by member: for a rule whose value is an object, where each member comes from. A rule behind a
 * member is explained on its own.
 */
import type { IBranch, IClause, ITerm } from "./analysis/ir.ts";
import { dataPath } from "./analysis/tree.ts";
import { RObject } from "./collections.ts";
import type { Location } from "./errors.ts";
import { type ExplainOptions, explain, textAt, type WhyNot } from "./explain.ts";
import type { Policy } from "./policy.ts";
import type { EvaluationRequest, Outcome } from "./run.ts";

/** Where one member of the object comes from. */
export interface MemberReport {
  readonly name: string;
  /** The text of its value in the object; undefined when the object is not written down as one. */
  readonly text: string | undefined;
  readonly location: Location | undefined;
  /** A constant needs no explanation; an expression has none but its text. */
  readonly kind: "constant" | "rule" | "expression" | "unknown";
  /** The rule that the member is the value of. */
  readonly rule: WhyNot | undefined;
}

export interface MembersExplanation {
  readonly outcome: Outcome;
  /** In the order of the object; empty when the answer is no object. */
  readonly members: readonly MemberReport[];
  /** The rule itself: which of its definitions gave the object. */
  readonly whole: WhyNot;
}

/** @throws NeedHostValue; nothing else */
export function explainMembers(
  policy: Policy,
  rulePath: string,
  request: EvaluationRequest = {},
  options: ExplainOptions = {},
): MembersExplanation {
  const { outcome, whyNot: whole } = explain(policy, rulePath, request, options);
  const names = outcome.kind === "value" ? namesOf(outcome.value) : [];
  const entries = entriesOf(policy, rulePath, whole);
  const members = names.map((name): MemberReport => {
    const term = entries.get(name);
    if (term === undefined)
      return { name, text: undefined, location: undefined, kind: "unknown", rule: undefined };
    const ruleName = ruleBehind(policy, term);
    const rule = ruleName === undefined ? undefined : explain(policy, ruleName, request, options).whyNot;
    const kind = term.t === "const" ? "constant" : rule === undefined ? "expression" : "rule";
    return { name, text: textAt(policy.modules, term.loc), location: term.loc, kind, rule };
  });
  return { outcome, members, whole };
}

function namesOf(value: unknown): readonly string[] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

/** The object as it is written in the definition that gave it. */
function entriesOf(policy: Policy, rulePath: string, whole: WhyNot): ReadonlyMap<string, ITerm> {
  const found = policy.analysis.clauses
    .filter((clause) => dataPath(clause.path) === rulePath && clause.suffix.length === 0)
    .flatMap((clause) => clause.branches.filter((branch) => gaveTheValue(clause, branch, whole)))
    .map(({ value }) => value);
  const [term] = found;
  return term === undefined ? new Map() : writtenEntries(term);
}

function gaveTheValue(clause: IClause, branch: IBranch, whole: WhyNot): boolean {
  const succeeded = whole.branches.find(({ result }) => result === "succeeded")?.location;
  if (succeeded === undefined) return clause.isDefault;
  const { file, row, col } = branch.loc;
  return succeeded.file === file && succeeded.row === row && succeeded.col === col;
}

function writtenEntries(term: ITerm): ReadonlyMap<string, ITerm> {
  const entries = new Map<string, ITerm>();
  if (term.t === "const" && term.value instanceof RObject)
    for (const [name, value] of term.value.entries())
      if (typeof name === "string") entries.set(name, { t: "const", value, loc: term.loc });
  if (term.t === "object")
    for (const [name, value] of term.entries)
      if (name.t === "const" && typeof name.value === "string") entries.set(name.value, value);
  return entries;
}

/** @returns `data.policy.hardware` for a term that is just this rule */
function ruleBehind(policy: Policy, term: ITerm): string | undefined {
  if (term.t !== "ref" || term.root !== "data") return undefined;
  const steps = term.path.flatMap((step) => (step.t === "const" ? [step.value] : []));
  if (steps.length !== term.path.length) return undefined;
  const name = dataPath(steps);
  return policy.entryPoints.includes(name) ? name : undefined;
}
