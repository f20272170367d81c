/**
 * Comparisons that hold where their author thinks they cannot. An unknown answer of a host function is null, and in
 * Rego's order every number is greater than null; what is missing is undefined, and `not` makes that true.
 */
import {
  type Call,
  calleeId,
  calleeName,
  type IClause,
  type ILiteral,
  type ITerm,
  type Reference,
  type Variable,
} from "../analysis/ir.ts";
import { dataPath } from "../analysis/tree.ts";
import { ClauseVisitor } from "../analysis/visit.ts";
import type { Warn } from "./profile.ts";

const ORDER: ReadonlySet<string> = new Set(["lt", "lte", "gt", "gte"]);
const EQUALITY: ReadonlySet<string> = new Set(["equal", "neq"]);
/** Calls that tell an answer from null. */
const GUARDS: ReadonlySet<string> = new Set(
  ["number", "string", "boolean", "array", "set", "object", "null"].map((type) => `is_${type}`),
);

export function lintComparisons(clauses: readonly IClause[], warn: Warn): void {
  const facts = factsOf(clauses);
  for (const clause of clauses) {
    const local = new LocalFacts();
    local.clause(clause);
    new ComparisonVisitor(facts, local, warn).clause(clause);
  }
}

/** What is known about rules: which are an answer of the host, which find something that differs. */
interface RuleFacts {
  /** By path, the host function whose answer the rule is. */
  readonly answers: ReadonlyMap<string, string>;
  /** Rules that succeed when some field differs. */
  readonly differs: ReadonlySet<string>;
}

function factsOf(clauses: readonly IClause[]): RuleFacts {
  const answers = new Map<string, string>();
  const differs = new Set<string>();
  for (const clause of clauses) {
    const path = dataPath(clause.path);
    for (const { value } of clause.branches) {
      const host = value === undefined ? undefined : hostCall(value);
      if (host !== undefined && clause.kind !== "set") answers.set(path, host);
    }
    const finder = new DifferenceFinder();
    finder.clause(clause);
    if (finder.found) differs.add(path);
  }
  return { answers, differs };
}

class DifferenceFinder extends ClauseVisitor {
  found = false;

  override call(call: Call): void {
    if (calleeId(call.callee) === "neq" && call.args.some(isField)) this.found = true;
  }
}

function isField(term: ITerm): boolean {
  return term.t === "ref" && term.path.some((step) => step.t === "const");
}

function hostCall(term: ITerm): string | undefined {
  return term.t === "call" && term.callee.kind === "host" ? calleeName(term.callee) : undefined;
}

/** Variables of a clause that hold an answer of the host, and what is tested before it is used. */
class LocalFacts extends ClauseVisitor {
  readonly answers: Map<Variable, string> = new Map();
  readonly guarded: Set<Variable | string> = new Set();

  override literalFound({ statement }: ILiteral): void {
    if (statement.k !== "unify") return;
    const { left, right } = statement;
    const host = hostCall(right);
    if (left.t === "var" && host !== undefined) this.answers.set(left.variable, host);
  }

  override call(call: Call): void {
    const name = calleeId(call.callee);
    const againstNull = name === "neq" && call.args.some((arg) => arg.t === "const" && arg.value === null);
    if (!GUARDS.has(name) && !againstNull) return;
    for (const arg of call.args) {
      if (arg.t === "var") this.guarded.add(arg.variable);
      const path = rulePathOf(arg);
      if (path !== undefined) this.guarded.add(path);
    }
  }
}

function rulePathOf(term: ITerm): string | undefined {
  if (term.t !== "ref" || term.root !== "data") return undefined;
  const steps = term.path.flatMap((step) => (step.t === "const" ? [step.value] : []));
  return steps.length === term.path.length ? dataPath(steps) : undefined;
}

class ComparisonVisitor extends ClauseVisitor {
  readonly #facts: RuleFacts;
  readonly #local: LocalFacts;
  readonly #warn: Warn;

  constructor(facts: RuleFacts, local: LocalFacts, warn: Warn) {
    super();
    this.#facts = facts;
    this.#local = local;
    this.#warn = warn;
  }

  override literalFound(literal: ILiteral): void {
    const { statement } = literal;
    if (statement.k === "unify") this.#fraction([statement.left, statement.right], literal.loc);
    if (literal.negated) this.#negated(literal);
  }

  override call(call: Call): void {
    const name = calleeId(call.callee);
    if (ORDER.has(name)) this.#order(call);
    if (name === "neq") this.#inequality(call);
    if (EQUALITY.has(name)) this.#fraction(call.args, call.loc);
    if (call.callee.kind === "builtin" && call.callee.builtin.deterministic === false && RANDOM.has(name))
      this.#warn(
        "random_decision",
        `${name} gives another answer each time; a decision should not`,
        call.loc,
      );
  }

  #order(call: Call): void {
    const host = this.#mayBeNull(call.args);
    if (host === undefined) return;
    const message = `${host} answers null for what it does not know, and null is less than every number, so this may hold without a value; test is_number first`;
    this.#warn("null_in_order", message, call.loc);
  }

  #inequality(call: Call): void {
    const host = this.#mayBeNull(call.args);
    if (host !== undefined && !call.args.some((arg) => arg.t === "const" && arg.value === null)) {
      const message = `${host} answers null for what it does not know, and everything differs from null`;
      this.#warn("null_differs", message, call.loc);
    }
    if (call.args.some(hasWildcard)) {
      const message =
        "this says that some element differs, not that no element is equal; use every, or not with in";
      this.#warn("some_element_differs", message, call.loc);
    }
  }

  #negated({ statement, loc }: ILiteral): void {
    if (statement.k !== "term") return;
    const { term } = statement;
    const host = term.t === "call" ? this.#mayBeNull(term.args) : this.#mayBeNull([term]);
    if (host !== undefined) {
      const message = `${host} answers null for what it does not know, and then this holds`;
      this.#warn("null_in_negation", message, loc);
    }
    const compared = term.t === "call" && calleeId(term.callee) === "equal" ? term.args : [term];
    if (compared.some((part) => part.t === "ref" && part.root === "input")) {
      this.#warn(
        "missing_in_negation",
        "this also holds when the field is missing; compare with == instead",
        loc,
      );
    }
    const path = rulePathOf(term);
    if (path === undefined || !this.#facts.differs.has(path)) return;
    const message = `${path} looks for a field that differs, and one that is missing does not: then this holds`;
    this.#warn("missing_in_negation", message, loc);
  }

  /** The host function that one of the terms is an untested answer of. */
  #mayBeNull(terms: readonly ITerm[]): string | undefined {
    for (const term of terms) {
      const host = this.#answerOf(term);
      if (host !== undefined) return host;
    }
    return undefined;
  }

  #answerOf(term: ITerm): string | undefined {
    if (term.t === "var")
      return this.#local.guarded.has(term.variable) ? undefined : this.#local.answers.get(term.variable);
    const path = rulePathOf(term);
    if (path === undefined) return hostCall(term);
    return this.#local.guarded.has(path) ? undefined : this.#facts.answers.get(path);
  }

  #fraction(terms: readonly ITerm[], loc: ITerm["loc"]): void {
    const [left, right] = terms;
    if (left === undefined || right === undefined) return;
    const fractions = [left, right].filter(isFraction).length;
    // `x := 0.5` is no comparison.
    if (fractions === 1 && ![left, right].some((term) => term.t === "var"))
      this.#warn(
        "fraction_equality",
        "a fraction is seldom exactly equal to another; compare with a range",
        loc,
      );
  }
}

const RANDOM: ReadonlySet<string> = new Set(["rand.intn", "uuid.rfc4122"]);

function isFraction(term: ITerm): boolean {
  return term.t === "const" && typeof term.value === "number" && !Number.isInteger(term.value);
}

function hasWildcard(term: ITerm): boolean {
  return (
    term.t === "ref" &&
    (term satisfies Reference).path.some((step) => step.t === "var" && step.variable.name === "_")
  );
}
