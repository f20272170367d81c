/**
 * "Why not": for a false or undefined answer, for every definition the first literal that failed and the values it
 * saw, and the same again for the rules that this literal asked.
 */
import type { IBranch, IClause } from "./analysis/ir.ts";
import { dataPath } from "./analysis/tree.ts";
import type { Module } from "./ast.ts";
import type { DocNode } from "./compile/docs.ts";
import { BudgetError, type Location, shorten } from "./errors.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import type { Policy } from "./policy.ts";
import { type BranchSite, type LiteralSite, SilentProbe } from "./probe.ts";
import { type EvaluationRequest, evaluateRule, type Outcome } from "./run.ts";
import { sourceForm } from "./text.ts";
import type { Value } from "./value.ts";

export interface SeenValue {
  readonly text: string;
  /** Rego source, cut when long; undefined when there was no value. */
  readonly value: string | undefined;
}

/** One body of one definition, and how far it got. */
export interface BranchReport {
  readonly location: Location;
  /** `no value`: the body holds, but what the head says is undefined. */
  readonly result: "succeeded" | "failed" | "not tried" | "no value";
  /** The literal that failed, where one did. */
  readonly literal?: { readonly text: string; readonly location: Location };
  readonly seen: readonly SeenValue[];
  /** Rules that the literal asked and that did not help. */
  readonly because: readonly WhyNot[];
  /** Of a body that holds: its literals in the order of evaluation, with what they saw and the rules they asked. */
  readonly held: readonly HeldLiteral[];
}

export interface HeldLiteral {
  readonly text: string;
  readonly location: Location;
  readonly seen: readonly SeenValue[];
  readonly because: readonly WhyNot[];
}

export interface WhyNot {
  readonly rule: string;
  /** The value as Rego source; undefined when the rule has none. */
  readonly value: string | undefined;
  /** Where the value stands that the rule has when no body holds; undefined when there is no such value. */
  readonly defaultAt: Location | undefined;
  readonly branches: readonly BranchReport[];
}

export interface Explanation {
  readonly outcome: Outcome;
  readonly whyNot: WhyNot;
}

/** Rules are followed this far; each is told once. */
const MAX_DEPTH = 8;
const MAX_VALUE_LENGTH = 64;

export interface ExplainOptions {
  /** Values longer than this are cut; characters of Rego source. */
  readonly maxValueLength?: number;
}

/** Evaluates with probes and tells why the answer is what it is. @throws NeedHostValue; nothing else */
export function explain(
  policy: Policy,
  rulePath: string,
  request: EvaluationRequest = {},
  { maxValueLength = MAX_VALUE_LENGTH }: ExplainOptions = {},
): Explanation {
  const record = new Recorder(maxValueLength);
  const outcome = evaluateRule(policy, rulePath, { ...request, probe: record });
  const teller = new Teller(policy, record, maxValueLength);
  return { outcome, whyNot: teller.rule(rulePath, 0) };
}

interface Attempt {
  succeeded: boolean;
  deepest: LiteralSite | undefined;
  seen: readonly SeenValue[];
  /** What the body of an `every` saw last: the element that failed. */
  inner: readonly SeenValue[];
  /** What each literal of the body saw on the way to the first solution, by its place in the order of evaluation. */
  readonly steps: Map<number, { readonly site: LiteralSite; readonly seen: readonly SeenValue[] }>;
}

class Recorder extends SilentProbe {
  readonly #maxLength: number;
  readonly attempts: Map<string, Attempt> = new Map();
  readonly values: Map<string, Value | undefined> = new Map();

  constructor(maxLength: number) {
    super();
    this.#maxLength = maxLength;
  }

  override exitRule(rule: DocNode, value: Value | undefined): void {
    this.values.set(rule.name, value);
  }

  override enterBranch(branch: BranchSite): void {
    if (this.attempts.has(branch.id)) return;
    const nothing = { succeeded: false, deepest: undefined, seen: [], inner: [], steps: new Map() };
    this.attempts.set(branch.id, nothing);
  }

  override exitBranch(branch: BranchSite): void {
    const attempt = this.attempts.get(branch.id);
    if (attempt !== undefined) attempt.succeeded = true;
  }

  override enterLiteral(site: LiteralSite, frame: Frame, e: Evaluation): void {
    const attempt = this.attempts.get(site.branch.id);
    if (attempt === undefined || attempt.succeeded || site.level > 1) return;
    const { deepest } = attempt;
    if (site.level === 1) {
      const isInside = deepest?.literal.statement.k === "every" && site.index > deepest.index;
      if (isInside) attempt.inner = this.#seenBy(site, frame, e);
      return;
    }
    const seen = this.#seenBy(site, frame, e);
    attempt.steps.set(site.index, { site, seen });
    if (deepest !== undefined && site.index < deepest.index) return;
    attempt.deepest = site;
    attempt.seen = seen;
    attempt.inner = [];
  }

  #seenBy({ watched }: LiteralSite, frame: Frame, e: Evaluation): readonly SeenValue[] {
    return watched.map(({ text, value }) => ({ text, value: shown(value(frame, e), this.#maxLength) }));
  }
}

function shown(value: Value | undefined, maxLength: number): string | undefined {
  if (value === undefined) return undefined;
  try {
    return shorten(sourceForm(value, 10_000), maxLength);
  } catch (error) {
    if (error instanceof BudgetError) return "(a large value)";
    throw error;
  }
}

class Teller {
  readonly #policy: Policy;
  readonly #record: Recorder;
  readonly #maxLength: number;
  readonly #told: Set<string> = new Set();

  constructor(policy: Policy, record: Recorder, maxLength: number) {
    this.#policy = policy;
    this.#record = record;
    this.#maxLength = maxLength;
  }

  rule(name: string, depth: number): WhyNot {
    this.#told.add(name);
    const clauses = this.#policy.analysis.clauses.filter((clause) => dataPath(clause.path) === name);
    const branches = clauses
      .filter((clause) => !clause.isDefault)
      .flatMap((clause) => clause.branches.map((branch) => this.#branch(clause, branch, depth)));
    const value = shown(this.#record.values.get(name), this.#maxLength);
    const defaultAt = clauses.find((clause) => clause.isDefault)?.loc;
    return { rule: name, value, defaultAt, branches };
  }

  #branch(clause: IClause, branch: IBranch, depth: number): BranchReport {
    const { row, col } = branch.loc;
    const attempt = this.#record.attempts.get(`${dataPath(clause.path)} ${clause.file}:${row}:${col}`);
    const base = { location: branch.loc, seen: [], because: [], held: [] };
    if (attempt === undefined) return { ...base, result: "not tried" };
    const isUndefined = this.#record.values.get(dataPath(clause.path)) === undefined;
    if (attempt.succeeded)
      return isUndefined
        ? { ...base, result: "no value" }
        : { ...base, result: "succeeded", held: this.#held(attempt, depth) };
    if (attempt.deepest === undefined) return { ...base, result: "failed" };
    const { literal, rules } = attempt.deepest;
    const text = textAt(this.#policy.modules, literal.loc);
    const because = depth >= MAX_DEPTH ? [] : this.#because(rules, depth);
    return {
      ...base,
      result: "failed",
      literal: { text, location: literal.loc },
      seen: [...attempt.seen, ...attempt.inner],
      because,
    };
  }

  #held({ steps }: Attempt, depth: number): readonly HeldLiteral[] {
    if (depth >= MAX_DEPTH) return [];
    const inOrder = [...steps].sort(([left], [right]) => left - right);
    return inOrder.map(([, { site, seen }]) => {
      const { loc } = site.literal;
      const because = this.#because(site.rules, depth);
      return { text: textAt(this.#policy.modules, loc), location: loc, seen, because };
    });
  }

  #because(rules: readonly string[], depth: number): WhyNot[] {
    const known = new Set(this.#policy.analysis.clauses.map((clause) => dataPath(clause.path)));
    return rules
      .filter((rule) => known.has(rule) && !this.#told.has(rule))
      .map((rule) => this.rule(rule, depth + 1));
  }
}

/** The text at a place, on one line. */
export function textAt(modules: readonly Module[], loc: Location): string {
  const lines = modules.find((module) => module.file === loc.file)?.lines ?? [];
  const own = lines.slice(loc.row - 1, loc.endRow).map((line, at, all) => {
    const points = [...line];
    const end = at === all.length - 1 ? loc.endCol - 1 : points.length;
    return points
      .slice(at === 0 ? loc.col - 1 : 0, end)
      .join("")
      .trim();
  });
  return shorten(own.join(" "), 200);
}

/** The explanation as text for people, indented by how far rules were followed. */
export function renderWhyNot(whyNot: WhyNot, indent = ""): string {
  const lines = [`${indent}${whyNot.rule} is ${whyNot.value ?? "undefined"}`];
  if (whyNot.branches.length === 0) lines.push(`${indent}  no definition was found`);
  for (const branch of whyNot.branches) lines.push(...renderBranch(branch, `${indent}  `));
  return lines.join("\n");
}

function renderBranch(branch: BranchReport, indent: string): string[] {
  const { file, row } = branch.location;
  const place = `${indent}${file}:${row}`;
  if (branch.result === "no value") return [`${place}: holds, but its value is undefined`];
  if (branch.literal === undefined) return [`${place}: ${branch.result}`];
  const lines = [`${place}: fails at line ${branch.literal.location.row}: ${branch.literal.text}`];
  const told = new Set(branch.because.map(({ rule }) => rule));
  for (const { text, value } of branch.seen)
    if (!told.has(text)) lines.push(`${indent}  ${text} is ${value ?? "undefined"}`);
  for (const inner of branch.because) lines.push(renderWhyNot(inner, `${indent}  `));
  return lines;
}
