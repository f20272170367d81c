/**
 * Advice about policies that compile: what their authors hardly mean, and above all what lets more through than they
 * think. Never a reason to refuse a policy.
 */
import type { Analysis } from "../analysis/analyse.ts";
import type { IClause } from "../analysis/ir.ts";
import { type Finding, Problems } from "../analysis/problems.ts";
import type { Module } from "../ast.ts";
import { lintCompanions } from "./companions.ts";
import { lintComparisons } from "./comparisons.ts";
import { lintDocuments } from "./documents.ts";
import type { LintProfile, Warn } from "./profile.ts";
import {
  chooseProfile,
  lintBroadRules,
  lintByteObjects,
  lintMissingEntryPoint,
  lintUnreachable,
} from "./rules.ts";
import { lintSource } from "./source.ts";

export type { InputNames, LintProfile } from "./profile.ts";

/**
 * @param profiles - uses that the host makes of policies; without them only what needs no host is looked at
 * @returns warnings in the order of the text
 */
export function lint(
  modules: readonly Module[],
  analysis: Analysis,
  profiles: readonly LintProfile[],
): readonly Finding[] {
  const problems = new Problems();
  const warn: Warn = (code, message, loc) => problems.warn(code, message, loc);
  const testFiles = new Set(modules.filter(hasTests).map(({ file }) => file));
  const isTest = (clause: IClause): boolean => testFiles.has(clause.file);
  const clauses = analysis.clauses.filter((clause) => !isTest(clause));
  lintSource(modules, warn);
  lintBroadRules(clauses, warn);
  lintComparisons(clauses, warn);
  if (profiles.length === 0) return problems.sorted();
  const policies = modules.filter(({ file }) => !testFiles.has(file));
  const profile = chooseProfile(profiles, analysis);
  if (policies.length > 0) lintMissingEntryPoint(profiles, profile, analysis, policies, warn);
  if (profile === undefined) return problems.sorted();
  lintUnreachable(profile, analysis, isTest, warn);
  lintByteObjects(profile, clauses, warn);
  lintDocuments(profile, analysis, clauses, warn);
  lintCompanions(profile, clauses, warn);
  return problems.sorted();
}

/** Tests do on purpose what policies should not. */
function hasTests({ rules }: Module): boolean {
  return rules.some(({ head }) => /^(todo_)?test_/.test(head.name.name));
}
