/** Rules that let everybody in, rules that nothing asks for, and rules that are not there. */
import type { Analysis } from "../analysis/analyse.ts";
import { calleeId, type IBranch, type IClause, type ILiteral, type ITerm } from "../analysis/ir.ts";
import { dependencies } from "../analysis/recursion.ts";
import { dataPath, type TreeNode } from "../analysis/tree.ts";
import type { Module } from "../ast.ts";
import { RObject } from "../collections.ts";
import { equal } from "../compare.ts";
import { sourceForm } from "../text.ts";
import type { Value } from "../value.ts";
import { hint } from "./nearest.ts";
import type { LintProfile, Warn } from "./profile.ts";

/** The rule name that decides about access, by everybody's convention. */
const DECISION = "allow";

export function lintBroadRules(clauses: readonly IClause[], warn: Warn): void {
  for (const clause of clauses) {
    if (clause.path.at(-1) !== DECISION || clause.kind !== "complete" || clause.suffix.length > 0) continue;
    for (const branch of clause.branches) lintBranch(clause, branch, warn);
  }
}

function lintBranch(clause: IClause, branch: IBranch, warn: Warn): void {
  if (!isTrue(branch.value) || !branch.body.literals.every(alwaysHolds)) return;
  const name = dataPath(clause.path);
  if (clause.isDefault) {
    const message = `${name} is true unless a rule says otherwise; begin with default ${DECISION} := false`;
    warn("default_allow", message, clause.loc);
  } else warn("broad_rule", `${name} is always true: nothing in this definition can fail`, branch.loc);
}

function isTrue(value: ITerm | undefined): boolean {
  return value === undefined || (value.t === "const" && value.value === true);
}

function alwaysHolds({ statement, negated }: ILiteral): boolean {
  if (statement.k === "nothing" || statement.k === "print") return true;
  if (statement.k !== "term") return false;
  const { term } = statement;
  if (term.t === "const") return (term.value === false) === negated;
  if (term.t !== "call" || calleeId(term.callee) !== "equal" || negated) return false;
  const [left, right] = term.args;
  return left?.t === "const" && right?.t === "const" && equal(left.value, right.value);
}

/** The use that a policy is written for: the first of which it has an entry point. */
export function chooseProfile(profiles: readonly LintProfile[], analysis: Analysis): LintProfile | undefined {
  const known = ruleNames(analysis);
  return profiles.find(({ entryPoints }) => entryPoints.some(({ path }) => known.has(path)));
}

function ruleNames(analysis: Analysis): ReadonlySet<string> {
  const nodes = [...analysis.tree.descendants()].filter((node) => node.definitions.length > 0);
  return new Set(nodes.map((node) => dataPath(node.path)));
}

/** Reports that nothing of what the host asks for is there. */
export function lintMissingEntryPoint(
  profiles: readonly LintProfile[],
  profile: LintProfile | undefined,
  analysis: Analysis,
  modules: readonly Module[],
  warn: Warn,
): void {
  const loc = modules[0]?.packageLoc;
  if (loc === undefined) return;
  const known = ruleNames(analysis);
  const wanted = (profile === undefined ? profiles : [profile])
    .flatMap(({ entryPoints }) => entryPoints.filter(({ required }) => required))
    .map(({ path }) => path);
  if (wanted.length === 0 || wanted.some((path) => known.has(path))) return;
  const meant = wanted.map((path) => hint(path, known)).find((text) => text !== "") ?? "";
  warn("missing_entry_point", `there is no rule ${wanted.join(" or ")}, so nothing is decided${meant}`, loc);
}

/** Reports rules that no entry point and no test leads to. */
export function lintUnreachable(
  profile: LintProfile,
  analysis: Analysis,
  isTest: (clause: IClause) => boolean,
  warn: Warn,
): void {
  const edges = dependencies(analysis.tree, analysis.clauses);
  if (edges === undefined) return;
  const wanted = new Set(profile.entryPoints.map(({ path }) => path));
  const tests = new Set(analysis.clauses.filter(isTest).map((clause) => dataPath(clause.path)));
  const queue = [...edges.keys()].filter((node) => wanted.has(dataPath(node.path)));
  const reached = new Set<TreeNode>(queue);
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    for (const next of edges.get(node) ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      queue.push(next);
    }
  }
  const roots = [...wanted].join(", ");
  for (const node of edges.keys()) {
    const [definition] = node.definitions;
    const name = dataPath(node.path);
    if (definition === undefined || reached.has(node) || tests.has(name)) continue;
    warn("unreachable_rule", `${name} is never asked: no way leads there from ${roots}`, definition.loc);
  }
}

/** Numbers that do not fit into the signed byte that a token has for each of them. */
export function lintByteObjects(profile: LintProfile, clauses: readonly IClause[], warn: Warn): void {
  const byPath = new Map<string, IClause[]>();
  for (const clause of clauses) {
    const path = dataPath(clause.path);
    byPath.set(path, [...(byPath.get(path) ?? []), clause]);
  }
  for (const path of profile.byteObjects ?? []) {
    for (const clause of byPath.get(path) ?? []) {
      for (const { value } of clause.branches)
        if (value !== undefined) lintObject(value, profile.byteNames, byPath, warn);
    }
  }
}

function lintObject(
  term: ITerm,
  names: readonly string[] | undefined,
  rules: ReadonlyMap<string, readonly IClause[]>,
  warn: Warn,
): void {
  if (term.t === "const" && term.value instanceof RObject)
    for (const [name, member] of term.value.entries()) {
      lintName(name, names, term.loc, warn);
      lintByte(member, term.loc, warn);
    }
  if (term.t !== "object") return;
  for (const [name, member] of term.entries) {
    if (name.t === "const") lintName(name.value, names, name.loc, warn);
    if (member.t === "const") lintByte(member.value, member.loc, warn);
    for (const clause of rulesOf(member, rules)) {
      for (const { value } of clause.branches)
        if (value?.t === "const") lintByte(value.value, value.loc, warn);
    }
  }
}

function rulesOf(term: ITerm, rules: ReadonlyMap<string, readonly IClause[]>): readonly IClause[] {
  if (term.t !== "ref" || term.root !== "data") return [];
  const steps = term.path.flatMap((step) => (step.t === "const" ? [step.value] : []));
  return rules.get(dataPath(steps)) ?? [];
}

function lintName(name: Value, names: readonly string[] | undefined, loc: ITerm["loc"], warn: Warn): void {
  if (names === undefined || (typeof name === "string" && names.includes(name))) return;
  const meant = typeof name === "string" ? hint(name.replaceAll("_", "-"), names) : "";
  warn("unknown_trust_claim", `${sourceForm(name)} is no trustworthiness claim${meant}`, loc);
}

function lintByte(value: Value, loc: ITerm["loc"], warn: Warn): void {
  if (typeof value === "number" && Number.isInteger(value) && value >= -128 && value <= 127) return;
  warn("not_a_signed_byte", `${sourceForm(value)} is no integer from -128 to 127`, loc);
}
