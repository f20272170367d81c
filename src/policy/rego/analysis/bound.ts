import type { ITerm, Variable } from "./ir.ts";

/** The variables that are bound at some point of a body. A child sees its parent and adds to itself only. */
export class Bound {
  readonly #parent: Bound | undefined;
  #own: Set<Variable> | undefined;

  constructor(parent?: Bound) {
    this.#parent = parent;
  }

  has(variable: Variable): boolean {
    for (let bound: Bound | undefined = this; bound !== undefined; bound = bound.#parent) {
      if (bound.#own?.has(variable) === true) return true;
    }
    return false;
  }

  add(variable: Variable): void {
    this.#own ??= new Set();
    this.#own.add(variable);
  }

  /** What was bound here and not by the parent. */
  own(): Iterable<Variable> {
    return this.#own ?? [];
  }

  /** Makes what a child has bound part of this. */
  take(child: Bound): void {
    if (child.#own === undefined) return;
    for (const variable of child.#own) this.add(variable);
  }
}

/** Calls `visit` for each variable that evaluating the term needs from around it; closures need their free ones. */
export function visitVariables(term: ITerm, visit: (variable: Variable) => void): void {
  switch (term.t) {
    case "const":
      break;
    case "var":
      visit(term.variable);
      break;
    case "array":
    case "set":
      for (const item of term.items) visitVariables(item, visit);
      break;
    case "object":
      for (const [name, value] of term.entries) {
        visitVariables(name, visit);
        visitVariables(value, visit);
      }
      break;
    case "ref":
      if (typeof term.root !== "string") visitVariables(term.root, visit);
      for (const step of term.path) visitVariables(step, visit);
      break;
    case "call":
      for (const arg of term.args) visitVariables(arg, visit);
      break;
    case "compr":
      for (const variable of term.body.free) visit(variable);
      break;
    default:
      for (const part of term.parts) if (typeof part !== "string") visitVariables(part, visit);
  }
}
