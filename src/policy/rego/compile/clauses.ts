/** One definition of a rule becomes something that runs. */
import { visitVariables } from "../analysis/bound.ts";
import { type BranchPlan, type IBranch, type IClause, type ITerm, Variable } from "../analysis/ir.ts";
import type { LiteralPlan, Op, Pattern } from "../analysis/plan.ts";
import type { Finding } from "../analysis/problems.ts";
import { equal } from "../compare.ts";
import type { Evaluation } from "../evaluation.ts";
import type { Value } from "../value.ts";
import { clauseCost } from "./cost.ts";
import type { CompiledBranch, CompiledClause, DocNode } from "./docs.ts";
import { ProbedCompiler } from "./probed.ts";
import { StepCompiler } from "./steps.ts";

export interface CompileTarget {
  readonly root: DocNode;
  readonly functions: ReadonlyMap<string, DocNode>;
  /** Compile with probes: for coverage, trace and explanations. */
  readonly probes: boolean;
}

/** A rule that a static check found at fault, of a policy that was only to be parsed: it fails when it is asked. */
export function faultyClause(clause: IClause, fault: Finding): CompiledClause {
  const fail = (e: Evaluation): never => {
    throw e.fail("eval_internal_error", `the rule has a fault: ${fault.code}: ${fault.message}`, clause.loc);
  };
  const branch: CompiledBranch = {
    solve: (_f, e) => fail(e),
    collect: (_f, e) => fail(e),
    constant: undefined,
    loc: clause.loc,
  };
  return {
    frameSize: 0,
    weight: 0,
    accept: () => true,
    branches: [branch],
    kind: clause.kind,
    loc: clause.loc,
  };
}

export function compileClause(clause: IClause, target: CompileTarget): CompiledClause {
  const compiler = target.probes
    ? new ProbedCompiler(target.root, target.functions, clause)
    : new StepCompiler(target.root, target.functions);
  const patterns = clause.argPatterns.map((pattern) => compiler.pattern(pattern));
  const branches = clause.branches.map((branch) => compileBranch(clause, branch, compiler));
  return {
    get frameSize() {
      return compiler.frameSize;
    },
    weight: clauseCost(clause),
    accept: (args, f, e) => patterns.every((match, at) => match(args[at] as Value, f, e)), // as many arguments as parameters: checked when the call was resolved
    branches,
    kind: clause.kind,
    loc: clause.loc,
  };
}

function compileBranch(clause: IClause, branch: IBranch, compiler: StepCompiler): CompiledBranch {
  const { plan } = branch;
  if (plan === undefined) throw new Error("a clause was compiled before it was planned");
  if (compiler instanceof ProbedCompiler) compiler.beginBranch(branch);
  const constant = plan.value.t === "const" && clause.kind !== "set" ? plan.value.value : undefined;
  const isPartial = clause.kind === "set" || clause.suffix.length > 0;
  const common = { constant, loc: branch.loc };
  if (isPartial) return { ...common, solve: () => undefined, collect: collector(plan, compiler) };
  return { ...common, solve: solver(clause, plan, compiler), collect: () => undefined };
}

function solver(clause: IClause, plan: BranchPlan, compiler: StepCompiler): CompiledBranch["solve"] {
  const value = compiler.value(plan.value);
  const result = compiler.slot(new Variable("", clause.loc, true));
  const firstIsEnough = !mayVary(plan.body, plan.value);
  const message =
    clause.kind === "function"
      ? "functions must not produce multiple outputs for same inputs"
      : "complete rules must not produce multiple outputs";
  const run = compiler.branchBody(plan.body, (f, e) => {
    const found = value(f, e);
    if (found === undefined) return false;
    const before = f[result];
    if (before === undefined) {
      f[result] = found;
      return firstIsEnough;
    }
    if (!equal(before, found)) throw e.fail("eval_conflict_error", message, clause.loc);
    return false;
  });
  return (f, e) => {
    f[result] = undefined;
    run(f, e);
    return f[result];
  };
}

function collector(plan: BranchPlan, compiler: StepCompiler): CompiledBranch["collect"] {
  const value = compiler.value(plan.value);
  const suffix = plan.suffix.map((step) => compiler.value(step));
  const run = compiler.branchBody(plan.body, (f, e) => {
    const path: Value[] = [];
    for (const step of suffix) {
      const key = step(f, e);
      if (key === undefined) return false;
      path.push(key);
    }
    const found = value(f, e);
    if (found !== undefined) e.collector?.(path, found);
    return false;
  });
  return (f, e, into) => {
    const outer = e.collector;
    e.collector = into;
    run(f, e);
    e.collector = outer;
  };
}

/** Whether a second solution of the body could give the term another value than the first. */
function mayVary(body: readonly LiteralPlan[], term: ITerm): boolean {
  const late = new Set<Variable>();
  let searching = false;
  for (const op of body.flatMap((plan) => plan.ops)) {
    if (isSearch(op)) searching = true;
    if (searching) boundBy(op, late);
  }
  let varies = false;
  visitVariables(term, (variable) => {
    if (late.has(variable)) varies = true;
  });
  return varies;
}

function isSearch(op: Op): boolean {
  if (op.op === "with") return op.ops.some(isSearch);
  return op.op === "iterate" || op.op === "relation" || op.op === "someIn";
}

function boundBy(op: Op, into: Set<Variable>): void {
  switch (op.op) {
    case "iterate":
      for (const step of op.steps) patternVariables(step, into);
      patternVariables(op.into, into);
      break;
    case "match":
    case "relation":
      patternVariables(op.into, into);
      break;
    case "someIn":
      patternVariables(op.key, into);
      patternVariables(op.value, into);
      break;
    case "with":
      for (const inner of op.ops) boundBy(inner, into);
      break;
    default:
      break;
  }
}

function patternVariables(pattern: Pattern, into: Set<Variable>): void {
  if (pattern.p === "bind") into.add(pattern.variable);
  else if (pattern.p === "array") for (const item of pattern.items) patternVariables(item, into);
  else if (pattern.p === "object") for (const [, value] of pattern.entries) patternVariables(value, into);
}
