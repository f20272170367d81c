import type {
  Call,
  IBody,
  IBranch,
  IClause,
  ILiteral,
  IStatement,
  ITerm,
  Reference,
  Variable,
} from "../analysis/ir.ts";
import { calleeName } from "../analysis/ir.ts";
import type { LiteralPlan, Op } from "../analysis/plan.ts";
import { dataPath, isPlainName } from "../analysis/tree.ts";
import { ClauseVisitor } from "../analysis/visit.ts";
import type { Evaluation, Frame } from "../evaluation.ts";
import type { BranchSite, LiteralSite, Watched } from "../probe.ts";
import { sourceForm } from "../text.ts";
import type { DocNode } from "./docs.ts";
import { type Next, type Step, StepCompiler } from "./steps.ts";
import { constants } from "./values.ts";

/** Compiles bodies that tell a probe what they do. */
export class ProbedCompiler extends StepCompiler {
  readonly #clause: IClause;
  #branch: BranchSite;
  #index = 0;
  #level = 0;

  constructor(root: DocNode, functions: ReadonlyMap<string, DocNode>, clause: IClause) {
    super(root, functions);
    this.#clause = clause;
    this.#branch = branchSite(clause, clause.branches[0]);
  }

  beginBranch(branch: IBranch): void {
    this.#branch = branchSite(this.#clause, branch);
    this.#index = 0;
  }

  override branchBody(plans: readonly LiteralPlan[], next: Next): Next {
    const site = this.#branch;
    const run = super.branchBody(plans, (f, e) => {
      e.probe?.exitBranch(site);
      return next(f, e);
    });
    return (f, e) => {
      e.probe?.enterBranch(site);
      return run(f, e);
    };
  }

  protected override literal(plan: LiteralPlan): Step[] {
    const { literal } = plan;
    if (literal === undefined) return super.literal(plan);
    const site = this.#literalSite(literal, plan.ops);
    this.#level += 1;
    const steps = super.literal(plan);
    this.#level -= 1;
    return [
      watch((f, e) => e.probe?.enterLiteral(site, f, e)),
      ...steps,
      watch((_f, e) => e.probe?.exitLiteral(site)),
    ];
  }

  #literalSite(literal: ILiteral, ops: readonly Op[]): LiteralSite {
    const index = this.#index;
    this.#index += 1;
    const seen = new Looks();
    seen.literal(literal);
    const watched = this.#level <= 1 ? this.#watched(seen, boundBefore(ops)) : [];
    return { literal, branch: this.#branch, index, level: this.#level, watched, rules: [...seen.rules] };
  }

  /** References of constant steps and the variables that are bound when the literal begins. */
  #watched(seen: Looks, excluded: ReadonlySet<Variable>): Watched[] {
    const watched = new Map<string, Watched>();
    const unbound = new Set([...excluded, ...seen.locals]);
    for (const variable of seen.variables) {
      if (variable.wildcard || unbound.has(variable)) continue;
      const slot = this.slot(variable);
      watched.set(variable.name, { text: variable.name, value: (f) => f[slot] });
    }
    for (const reference of seen.references) {
      const text = referenceText(reference);
      const isFixed = reference.path.every((step) => step.t === "const");
      if (text === undefined || !isFixed || watched.has(text) || startsAt(reference, unbound)) continue;
      watched.set(text, { text, value: this.value(reference) });
    }
    for (const call of seen.hostCalls) {
      const text = hostCallText(call);
      if (text !== undefined && !watched.has(text)) watched.set(text, { text, value: this.value(call) });
    }
    return [...watched.values()];
  }
}

function branchSite(clause: IClause, branch: IBranch | undefined): BranchSite {
  const { row, col } = branch?.loc ?? clause.loc;
  const rule = dataPath(clause.path);
  return { rule, file: clause.file, row, col, id: `${rule} ${clause.file}:${row}:${col}` };
}

/** A step that only tells; it never stands in the way. */
function watch(tell: (frame: Frame, e: Evaluation) => void): Step {
  return {
    test: (f, e) => {
      tell(f, e);
      return true;
    },
  };
}

class Mentions extends ClauseVisitor {
  readonly variables: Set<Variable> = new Set();

  override term(term: ITerm): void {
    if (term.t === "var") this.variables.add(term.variable);
    super.term(term);
  }
}

/** Collects what a literal looks at. */
class Looks extends Mentions {
  readonly references: Set<Reference> = new Set();
  readonly rules: Set<string> = new Set();
  readonly hostCalls: Set<Call> = new Set();
  /** Variables of bodies inside the literal: they have no value before it runs. */
  readonly locals: Set<Variable> = new Set();

  override body(body: IBody): void {
    const inner = new Mentions();
    inner.body(body);
    for (const variable of inner.variables) if (!body.free.has(variable)) this.locals.add(variable);
    super.body(body);
  }

  override statement(statement: IStatement): void {
    if (statement.k === "every") {
      this.locals.add(statement.value);
      if (statement.key !== undefined) this.locals.add(statement.key);
    }
    super.statement(statement);
  }

  override reference(term: Reference): void {
    this.references.add(term);
    if (term.root !== "data") return;
    const known = term.path.findIndex((step) => step.t !== "const");
    const keys = constants(known < 0 ? term.path : term.path.slice(0, known)) ?? [];
    for (let length = 1; length <= keys.length; length += 1) this.rules.add(dataPath(keys.slice(0, length)));
  }

  override call(term: Call): void {
    if (term.callee.kind === "function") this.rules.add(calleeName(term.callee));
    if (term.callee.kind === "host") this.hostCalls.add(term);
  }
}

function startsAt({ root }: Reference, variables: ReadonlySet<Variable>): boolean {
  return typeof root !== "string" && root.t === "var" && variables.has(root.variable);
}

/** Variables that the literal itself binds: they have no value yet when it begins. */
function boundBefore(ops: readonly Op[]): ReadonlySet<Variable> {
  const own = new Set<Variable>();
  for (const op of ops) if (op.op === "match" && op.into.p === "bind") own.add(op.into.variable);
  return own;
}

/** A question to the host with constant arguments; others may not be ready when the literal begins. */
function hostCallText(call: Call): string | undefined {
  const args = constants(call.args);
  return args === undefined
    ? undefined
    : `${calleeName(call.callee)}(${args.map((arg) => sourceForm(arg)).join(", ")})`;
}

function referenceText(term: Reference): string | undefined {
  const root =
    typeof term.root === "string" ? term.root : term.root.t === "var" ? term.root.variable.name : undefined;
  const keys = constants(term.path);
  if (root === undefined || root === "" || keys === undefined) return undefined;
  return keys.reduce<string>((text, step) => {
    const plain = typeof step === "string" && isPlainName(step);
    return plain ? `${text}.${step}` : `${text}[${sourceForm(step)}]`;
  }, root);
}
