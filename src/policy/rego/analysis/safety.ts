/**
 * Orders the literals of every body so that each finds its variables bound, and says so when there is no such
 * order. Literals keep the order of the text where they can: pass after pass over the remaining ones takes each
 * that is ready, as OPA does, because the order shows in arrays and prints.
 */
import type { Location } from "../errors.ts";
import { Bound, visitVariables } from "./bound.ts";
import type {
  BranchPlan,
  ClosurePlan,
  Comprehension,
  IBody,
  IBranch,
  IClause,
  ILiteral,
  IStatement,
  ITerm,
  Variable,
} from "./ir.ts";
import { Lifter } from "./lift.ts";
import { LiteralQueue } from "./literal-queue.ts";
import type { LiteralPlan, Op } from "./plan.ts";
import type { Problems } from "./problems.ts";
import { planUnify } from "./unify.ts";

export class SafetyPlanner {
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  /** Plans all branches of a clause. */
  clause(clause: IClause): void {
    const lifter = new Lifter(new Bound());
    clause.argPatterns = clause.args.map((arg) => lifter.pattern(arg));
    this.#report(lifter.missing, clause.loc);
    this.#commitClosures(lifter);
    for (const branch of clause.branches) branch.plan = this.#branch(branch, clause.suffix, lifter.bound);
  }

  #branch(branch: IBranch, suffix: readonly ITerm[], around: Bound): BranchPlan {
    const bound = new Bound(around);
    const body = this.body(branch.body, bound);
    const value: ITerm = branch.value ?? { t: "const", value: true, loc: branch.loc };
    const { terms, ops } = this.#head([value, ...suffix], bound, branch.loc);
    const [head = value, ...steps] = terms;
    if (ops.length > 0) body.push({ literal: undefined, ops });
    return { body, suffix: steps, value: head };
  }

  /** Terms read after the body. */
  #head(terms: readonly ITerm[], bound: Bound, loc: Location): { terms: ITerm[]; ops: readonly Op[] } {
    const lifter = new Lifter(bound);
    lifter.liftAll(terms);
    const plain = terms.map((term) => lifter.rewrite(term));
    this.#report(lifter.missing, loc);
    this.#commitClosures(lifter);
    return { terms: plain, ops: lifter.ops };
  }

  /** Plans a body; `bound` grows by what the body binds. */
  body(body: IBody, bound: Bound): LiteralPlan[] {
    const plans: LiteralPlan[] = [];
    const { literals } = body;
    const queue = new LiteralQueue(literals.length);
    const waiting = new Set<ILiteral>();
    for (let at = queue.next(); at !== undefined; at = queue.next()) {
      const literal = literals[at];
      if (literal === undefined) break;
      const lifter = new Lifter(bound);
      this.#literalOps(literal, lifter);
      if (lifter.missing.size > 0) {
        waiting.add(literal);
        queue.wait(at, lifter.missing);
        continue;
      }
      waiting.delete(literal);
      bound.take(lifter.bound);
      plans.push({ literal, ops: lifter.ops });
      queue.placed(at, lifter.bound.own());
    }
    if (waiting.size > 0)
      this.#reportBody(
        literals.filter((literal) => waiting.has(literal)),
        bound,
      );
    return plans;
  }

  #literalOps(literal: ILiteral, lifter: Lifter): void {
    if (literal.withs.length === 0) this.#maybeNegated(literal, lifter);
    else this.#with(literal, lifter);
    if (lifter.missing.size === 0) this.#commitClosures(lifter);
  }

  #with(literal: ILiteral, lifter: Lifter): void {
    const values = literal.withs.flatMap(({ replacement }) =>
      replacement.kind === "value" ? [replacement.term] : [],
    );
    lifter.liftAll(values);
    const withs = literal.withs.map((modifier) => {
      if (modifier.replacement.kind !== "value") return modifier;
      return {
        ...modifier,
        replacement: { kind: "value", term: lifter.rewrite(modifier.replacement.term) } as const,
      };
    });
    const inner = new Lifter(lifter.bound);
    this.#maybeNegated(literal, inner);
    lifter.needAll(inner.missing);
    if (lifter.missing.size > 0) return;
    this.#commitClosures(inner);
    lifter.bound.take(inner.bound);
    lifter.ops.push({ op: "with", withs, ops: inner.ops });
  }

  #maybeNegated(literal: ILiteral, lifter: Lifter): void {
    if (!literal.negated) {
      this.#statement(literal.statement, lifter, literal);
      return;
    }
    visitStatement(literal.statement, (variable) => {
      if (variable.name !== "_" && !lifter.bound.has(variable)) lifter.missing.add(variable);
    });
    if (lifter.missing.size > 0) return;
    const inner = new Lifter(lifter.bound);
    this.#statement(literal.statement, inner, literal);
    lifter.needAll(inner.missing);
    if (lifter.missing.size > 0) return;
    this.#commitClosures(inner);
    if (mentionsWildcard(literal.statement)) this.#warnWildcard(literal.loc);
    lifter.ops.push({ op: "not", body: [{ literal: undefined, ops: inner.ops }] });
  }

  #warnWildcard(loc: Location): void {
    const message = "var _ in a negated expression means: there is no element for which it holds";
    this.#problems.warn("wildcard_in_negation", message, loc);
  }

  #statement(statement: IStatement, lifter: Lifter, literal: ILiteral): void {
    switch (statement.k) {
      case "nothing":
        return;
      case "term":
        lifter.liftAll([statement.term]);
        lifter.ops.push({ op: "test", term: lifter.rewrite(statement.term) });
        return;
      case "unify":
        lifter.liftAll([statement.left, statement.right]);
        planUnify(lifter, statement.left, statement.right);
        return;
      case "relation": {
        lifter.liftAll([...statement.call.args]);
        const call = lifter.rewriteCall(statement.call);
        if (lifter.missing.size === 0) lifter.liftAll([statement.output]);
        lifter.ops.push({ op: "relation", call, into: lifter.pattern(statement.output) });
        return;
      }
      case "someIn":
        this.#someIn(statement, lifter);
        return;
      case "every":
        this.#every(statement, lifter);
        return;
      case "print":
        for (const arg of statement.args) lifter.closure(arg);
        lifter.ops.push({ op: "print", args: statement.args, literal });
        return;
      case "block":
        this.#bodies([statement.body], lifter);
        return;
      default:
        if (statement.operator === "or") this.#bodies([statement.left, statement.right], lifter);
        else for (const body of [statement.left, statement.right]) this.#bodies([body], lifter);
    }
  }

  #someIn(statement: Extract<IStatement, { k: "someIn" }>, lifter: Lifter): void {
    lifter.liftAll([statement.collection]);
    const collection = lifter.rewrite(statement.collection);
    const patterns = [statement.key, statement.value].filter((term) => term !== undefined);
    lifter.liftAll(patterns.filter((term) => term.t !== "var"));
    const key = statement.key === undefined ? ({ p: "any" } as const) : lifter.pattern(statement.key);
    lifter.ops.push({ op: "someIn", collection, key, value: lifter.pattern(statement.value) });
  }

  #every(statement: Extract<IStatement, { k: "every" }>, lifter: Lifter): void {
    lifter.liftAll([statement.domain]);
    const domain = lifter.rewrite(statement.domain);
    lifter.needAll(statement.body.free);
    if (lifter.missing.size > 0) return;
    const inner = new Bound(lifter.bound);
    if (statement.key !== undefined) inner.add(statement.key);
    inner.add(statement.value);
    const body = this.body(statement.body, inner);
    lifter.ops.push({ op: "every", domain, key: statement.key, value: statement.value, body });
  }

  #bodies(bodies: readonly IBody[], lifter: Lifter): void {
    for (const body of bodies) lifter.needAll(body.free);
    if (lifter.missing.size > 0) return;
    const plans = bodies.map((body) => this.body(body, new Bound(lifter.bound)));
    lifter.ops.push({ op: "any", bodies: plans });
  }

  /** Plans the comprehensions of a literal that is about to be placed; `lifter.bound` is what they see. */
  #commitClosures(lifter: Lifter): void {
    for (const closure of lifter.closures.splice(0)) {
      if (closure.plan === undefined) closure.plan = this.#closure(closure, lifter.bound);
    }
  }

  #closure(closure: Comprehension, around: Bound): ClosurePlan {
    const bound = new Bound(around);
    const body = this.body(closure.body, bound);
    const heads = closure.key === undefined ? [closure.value] : [closure.value, closure.key];
    const { terms, ops } = this.#head(heads, bound, closure.value.loc);
    const [value = closure.value, key] = terms;
    if (ops.length > 0) body.push({ literal: undefined, ops });
    return { body, key, value };
  }

  #reportBody(waiting: readonly ILiteral[], bound: Bound): void {
    const reported = new Set<Variable>();
    for (const literal of waiting) {
      const lifter = new Lifter(bound);
      this.#literalOps(literal, lifter);
      const fresh = [...lifter.missing].filter((variable) => !reported.has(variable));
      for (const variable of fresh) reported.add(variable);
      this.#report(fresh, literal.loc);
    }
  }

  #report(variables: Iterable<Variable>, loc: Location): void {
    for (const variable of variables) {
      const name = variable.name === "" ? "_" : variable.name;
      this.#problems.error("rego_unsafe_var_error", `var ${name} is unsafe`, loc);
    }
  }
}

/** Every variable a statement mentions, the free ones of its nested bodies included. */
export function visitStatement(statement: IStatement, visit: (variable: Variable) => void): void {
  const body = (nested: IBody): void => {
    for (const variable of nested.free) visit(variable);
  };
  switch (statement.k) {
    case "nothing":
      return;
    case "term":
      visitVariables(statement.term, visit);
      return;
    case "unify":
      visitVariables(statement.left, visit);
      visitVariables(statement.right, visit);
      return;
    case "relation":
      visitVariables(statement.call, visit);
      visitVariables(statement.output, visit);
      return;
    case "someIn":
      visitVariables(statement.collection, visit);
      return;
    case "every":
      visitVariables(statement.domain, visit);
      body(statement.body);
      return;
    case "print":
      for (const arg of statement.args) visitVariables(arg, visit);
      return;
    case "block":
      body(statement.body);
      return;
    default:
      body(statement.left);
      body(statement.right);
  }
}

function mentionsWildcard(statement: IStatement): boolean {
  let found = false;
  visitStatement(statement, (variable) => {
    if (variable.name === "_") found = true;
  });
  return found;
}
