/**
 * Makes the terms of one literal plain: every reference that binds variables becomes an operation of its own, its
 * value a helper variable. What is left can be evaluated without search.
 */
import type { Location } from "../errors.ts";
import { Bound, visitVariables } from "./bound.ts";
import { type Call, type Comprehension, type ITerm, type Reference, Variable } from "./ir.ts";
import type { Op, Pattern } from "./plan.ts";

export class Lifter {
  readonly bound: Bound;
  readonly ops: Op[] = [];
  /** Variables that nothing has bound and nothing in this literal binds. */
  readonly missing: Set<Variable> = new Set();
  readonly closures: Comprehension[] = [];
  #lifted: Map<ITerm, Variable> | undefined;

  constructor(around: Bound) {
    this.bound = new Bound(around);
  }

  /** Emits the operations for everything in the terms that binds; several rounds, as one may feed another. */
  liftAll(terms: readonly ITerm[]): void {
    let progress = true;
    while (progress) {
      progress = false;
      for (const term of terms) if (this.#visit(term)) progress = true;
    }
  }

  #visit(term: ITerm): boolean {
    if (this.#lifted?.has(term) === true) return false;
    switch (term.t) {
      case "array":
      case "set":
        return this.#visitMany(term.items);
      case "object":
        return this.#visitMany(term.entries.flat());
      case "call": {
        const inner = this.#visitMany(term.args);
        return this.#liftRelation(term) || inner;
      }
      case "ref": {
        const root = typeof term.root === "string" ? false : this.#visit(term.root);
        const inner = this.#visitMany(term.path.filter((step) => !this.#binds(step)));
        return this.#liftReference(term) || root || inner;
      }
      default:
        return false;
    }
  }

  #visitMany(terms: readonly ITerm[]): boolean {
    let progress = false;
    for (const term of terms) if (this.#visit(term)) progress = true;
    return progress;
  }

  /** Whether the term, as a step of a reference, is a pattern with something to bind. */
  #binds(term: ITerm): boolean {
    if (term.t === "var") return !this.bound.has(term.variable);
    if (term.t === "array") return term.items.some((item) => this.#binds(item));
    return term.t === "object" && term.entries.some(([, value]) => this.#binds(value));
  }

  /** Whether the term can be evaluated once what is lifted so far has run. */
  isReady(term: ITerm): boolean {
    if (this.#lifted?.has(term) === true) return true;
    switch (term.t) {
      case "const":
        return true;
      case "var":
        return this.bound.has(term.variable);
      case "array":
      case "set":
        return term.items.every((item) => this.isReady(item));
      case "object":
        return term.entries.every(([name, value]) => this.isReady(name) && this.isReady(value));
      case "ref":
        return (
          (typeof term.root === "string" || this.isReady(term.root)) &&
          term.path.every((step) => this.isReady(step))
        );
      case "call":
        return !isRelation(term) && term.args.every((arg) => this.isReady(arg));
      default:
        return this.#closureReady(term);
    }
  }

  #closureReady(term: ITerm): boolean {
    let ready = true;
    visitVariables(term, (variable) => {
      if (!this.bound.has(variable)) ready = false;
    });
    return ready;
  }

  #liftReference(term: Reference): boolean {
    if (!term.path.some((step) => this.#binds(step))) return false;
    if (typeof term.root !== "string" && !this.isReady(term.root)) return false;
    if (!term.path.every((step) => this.#binds(step) || this.isReady(step))) return false;
    if (!term.path.every((step) => this.#patternReady(step))) return false;
    const root = typeof term.root === "string" ? term.root : this.rewrite(term.root);
    const steps = term.path.map((step) => this.pattern(step));
    const ref: Reference = { ...term, root };
    this.ops.push({ op: "iterate", ref, steps, into: { p: "bind", variable: this.#helper(term, term.loc) } });
    return true;
  }

  #liftRelation(term: Call): boolean {
    if (!isRelation(term) || !term.args.every((arg) => this.isReady(arg))) return false;
    const call = this.rewriteCall(term);
    this.ops.push({ op: "relation", call, into: { p: "bind", variable: this.#helper(term, term.loc) } });
    return true;
  }

  #helper(term: ITerm, loc: Location): Variable {
    const variable = new Variable("", loc, true);
    this.#lifted ??= new Map();
    this.#lifted.set(term, variable);
    this.bound.add(variable);
    return variable;
  }

  /** Whether everything in a pattern that is not bound by it is ready. */
  #patternReady(term: ITerm): boolean {
    if (term.t === "var") return true;
    if (term.t === "array") return term.items.every((item) => this.#patternReady(item));
    if (term.t === "object") {
      return term.entries.every(([name, value]) => this.isReady(name) && this.#patternReady(value));
    }
    return this.isReady(term);
  }

  canMatch(term: ITerm): boolean {
    return this.#patternReady(term);
  }

  /** The term as something a value is held against; unbound variables become bound. */
  pattern(term: ITerm): Pattern {
    if (term.t === "var") {
      if (this.bound.has(term.variable)) return { p: "same", term };
      if (term.variable.name === "_") return { p: "any" };
      this.bound.add(term.variable);
      return { p: "bind", variable: term.variable };
    }
    if (this.isReady(term)) return { p: "same", term: this.rewrite(term) };
    if (term.t === "array") return { p: "array", items: term.items.map((item) => this.pattern(item)) };
    if (term.t === "object") {
      const entries = term.entries.map(([name, value]) => [this.rewrite(name), this.pattern(value)] as const);
      return { p: "object", entries };
    }
    return { p: "same", term: this.rewrite(term) };
  }

  /** The term with helpers in place of what was lifted. Notes what is missing, and the closures to plan. */
  rewrite(term: ITerm): ITerm {
    const helper = this.#lifted?.get(term);
    if (helper !== undefined) return { t: "var", variable: helper, loc: term.loc };
    switch (term.t) {
      case "const":
        return term;
      case "var":
        this.#need(term.variable);
        return term;
      case "array":
      case "set":
        return { ...term, items: term.items.map((item) => this.rewrite(item)) };
      case "object": {
        const entries = term.entries.map(
          ([name, value]) => [this.rewrite(name), this.rewrite(value)] as const,
        );
        return { ...term, entries };
      }
      case "ref": {
        const root = typeof term.root === "string" ? term.root : this.rewrite(term.root);
        return { ...term, root, path: term.path.map((step) => this.rewrite(step)) };
      }
      case "call":
        return this.rewriteCall(term);
      case "compr":
        this.closure(term);
        return term;
      default:
        for (const part of term.parts) if (typeof part !== "string") this.closure(part);
        return term;
    }
  }

  rewriteCall(term: Call): Call {
    return { ...term, args: term.args.map((arg) => this.rewrite(arg)) };
  }

  closure(term: Comprehension): void {
    for (const variable of term.body.free) this.#need(variable);
    this.closures.push(term);
  }

  #need(variable: Variable): void {
    if (!this.bound.has(variable)) this.missing.add(variable);
  }

  needAll(variables: Iterable<Variable>): void {
    for (const variable of variables) this.#need(variable);
  }
}

export function isRelation(term: Call): boolean {
  return term.callee.kind === "builtin" && term.callee.builtin.relation === true;
}
