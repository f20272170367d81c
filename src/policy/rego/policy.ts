/** Policies: compiled once, immutable, evaluated any number of times. */
import { createHash } from "node:crypto";
import { type Analysis, analyse } from "./analysis/analyse.ts";
import type { HostFunction } from "./analysis/ir.ts";
import { type Finding, Problems } from "./analysis/problems.ts";
import { dataPath } from "./analysis/tree.ts";
import type { Dialect, Module } from "./ast.ts";
import { DEFAULT_LIMITS, type Limits } from "./budget.ts";
import { RegexCache } from "./builtins/index.ts";
import { compileProgram, type Program } from "./compile/program.ts";
import { BudgetError } from "./errors.ts";
import { collectHostArguments } from "./host-arguments.ts";
import { collectHostUses, type HostUses } from "./host-uses.ts";
import { type LintProfile, lint } from "./lint/index.ts";
import { parseModule } from "./parser/index.ts";
import { type EvaluationRequest, evaluateRule, type Outcome } from "./run.ts";
import type { Value } from "./value.ts";

export interface ModuleText {
  readonly file: string;
  readonly text: string;
}

export interface CompileOptions {
  readonly dialect?: Dialect;
  readonly host?: readonly HostFunction[];
  /** Defaults for evaluations of this policy. */
  readonly limits?: Partial<Limits>;
  /**
   * Let policies name built-ins that are refused, as long as `with` replaces them whenever they are reached. For
   * running other people's test suites, never for policies that decide.
   */
  readonly allowMockedBuiltins?: boolean;
  /**
   * `strict`, unless chosen otherwise: a policy with any fault is refused. `parse-only`: text that parses is
   * accepted, and a rule with a fault fails when it is evaluated, so that the other rules of a policy that was
   * never checked go on working.
   */
  readonly checks?: "strict" | "parse-only";
  /** Uses that the host makes of policies, for advice about them. */
  readonly lint?: readonly LintProfile[];
}

export interface CompileResult {
  /** Absent when a finding is an error. */
  readonly policy?: Policy;
  readonly findings: readonly Finding[];
}

/** Checks and compiles modules. Never throws on any text. */
export function compilePolicy(modules: readonly ModuleText[], options: CompileOptions = {}): CompileResult {
  try {
    return compile(modules, options);
  } catch (error) {
    // The parser's bounds keep every pass shallow and small; should one not be enough, that is a refusal.
    if (!(error instanceof BudgetError || error instanceof RangeError)) throw error;
    const problems = new Problems();
    const file = modules[0]?.file ?? "";
    problems.error("rego_compile_error", "the policy is too large or nested too deeply", {
      file,
      row: 1,
      col: 1,
      endRow: 1,
      endCol: 1,
    });
    return { findings: problems.findings };
  }
}

function compile(modules: readonly ModuleText[], options: CompileOptions): CompileResult {
  const problems = new Problems();
  const parsed = parseAll(modules, options.dialect ?? "v1", problems);
  if (problems.hasErrors) return { findings: problems.sorted() };
  const hosts = new Map((options.host ?? []).map((host) => [host.name, host]));
  const tolerant = options.checks === "parse-only";
  const allowMockedBuiltins = options.allowMockedBuiltins === true;
  const analysis = analyse(parsed, { hosts, allowMockedBuiltins, tolerant });
  const found = [...problems.sorted(), ...analysis.problems.sorted()];
  const findings = tolerant ? found.map((finding): Finding => ({ ...finding, severity: "warning" })) : found;
  if (analysis.problems.hasErrors && !tolerant) return { findings };
  const advice = lint(parsed, analysis, options.lint ?? []);
  const policy = new Policy(hashOf(modules, options), analysis, parsed, options);
  return { policy, findings: inOrder([...findings, ...advice]) };
}

function inOrder(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.row - b.row || a.col - b.col,
  );
}

function parseAll(modules: readonly ModuleText[], dialect: Dialect, problems: Problems): Module[] {
  const parsed: Module[] = [];
  for (const { file, text } of modules) {
    const { module, errors, lateImports } = parseModule(text, { file, dialect });
    for (const error of errors) problems.error(error.code, withHint(error.message, dialect), error.location);
    for (const loc of lateImports) problems.warn("late_import", "imports belong before the rules", loc);
    if (module !== undefined) parsed.push(module);
  }
  return parsed;
}

function withHint(message: string, dialect: Dialect): string {
  const isOldSyntax =
    message.startsWith("`if` keyword is required") || message.startsWith("`contains` keyword is required");
  return dialect === "v1" && isOldSyntax
    ? `${message} (is this policy written for Rego v0? Choose the v0 dialect)`
    : message;
}

function hashOf(modules: readonly ModuleText[], options: CompileOptions): string {
  const hash = createHash("sha384");
  hash.update(options.dialect ?? "v1");
  for (const { text } of modules) hash.update(`\n${Buffer.byteLength(text)}\n`).update(text);
  return hash.digest("hex");
}

export class Policy {
  /** Lower-case hex SHA-384 over the dialect and the module texts. */
  readonly hash: string;
  /** Absolute paths of everything that can be asked for, `data.policy.allow` say; functions are left out. */
  readonly entryPoints: readonly string[];
  /** For each host function the constant first arguments it is called with. */
  readonly hostArguments: ReadonlyMap<string, readonly Value[]>;
  readonly analysis: Analysis;
  readonly modules: readonly Module[];
  readonly program: Program;
  readonly limits: Limits;
  readonly regexCache: RegexCache = new RegexCache();
  /** Rule paths that were asked for, taken apart. */
  readonly paths: Map<string, readonly Value[]> = new Map();
  #probed: Program | undefined;

  /** @internal use `compilePolicy` */
  constructor(hash: string, analysis: Analysis, modules: readonly Module[], options: CompileOptions) {
    this.hash = hash;
    this.analysis = analysis;
    this.modules = modules;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.program = compileProgram(analysis, false);
    this.hostArguments = collectHostArguments(analysis.clauses);
    this.entryPoints = entryPoints(analysis);
  }

  /** The same policy compiled with probes, for coverage, trace and explanations. */
  get probed(): Program {
    this.#probed ??= compileProgram(this.analysis, true);
    return this.#probed;
  }

  /** What the policy does with the answers of a host function. Walks the whole policy each time it is asked. */
  hostUses(host: string): HostUses {
    return collectHostUses(this.analysis.clauses, host);
  }

  /**
   * @param rulePath - `data.policy.allow`; a path below or above rules works too
   * @throws NeedHostValue when the host has to fetch an answer first; nothing else
   */
  evaluate(rulePath: string, request: EvaluationRequest = {}): Outcome {
    return evaluateRule(this, rulePath, request);
  }
}

function entryPoints(analysis: Analysis): readonly string[] {
  const names = [...analysis.tree.descendants()]
    .filter((node) => node.definitions.length > 0 && !node.isFunction)
    .map((node) => dataPath(node.path));
  return names.sort();
}
