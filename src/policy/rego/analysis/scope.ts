import type { Location } from "../errors.ts";
import { Variable } from "./ir.ts";
import type { Problems } from "./problems.ts";

type Occurrence = "assigned" | "declared" | "arg" | "seen";

/** The names of one body: a rule's, a comprehension's, an `every`'s. */
export class Scope {
  readonly parent: Scope | undefined;
  /** Names that this body declares somewhere; until then they mean neither a rule nor an outer variable. */
  readonly willDeclare: ReadonlySet<string>;
  /** Variables of outer bodies that this one, or one inside it, mentions. */
  readonly free: Set<Variable> = new Set();
  readonly declared: Variable[] = [];
  readonly #names: Map<string, Variable> = new Map();
  readonly #occurrences: Map<string, Occurrence> = new Map();

  constructor(parent: Scope | undefined, willDeclare: ReadonlySet<string>) {
    this.parent = parent;
    this.willDeclare = willDeclare;
  }

  /** The variable a name stands for here; undefined when no body knows the name. */
  find(name: string): Variable | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const variable = scope.#names.get(name);
      if (variable !== undefined) {
        for (let inner: Scope = this; inner !== scope && inner.parent !== undefined; inner = inner.parent) {
          inner.free.add(variable);
        }
        return variable;
      }
      if (scope.willDeclare.has(name)) return this.#early(scope, name);
    }
    return undefined;
  }

  /** A use before the declaration: in the same body that is a fault of the declaration, which reports it. */
  #early(owner: Scope, name: string): Variable {
    if (owner === this) this.#occurrences.set(name, "seen");
    const variable = new Variable(name, NOWHERE);
    if (owner !== this) this.#names.set(name, variable);
    return variable;
  }

  names(): ReadonlyMap<string, Variable> {
    return this.#names;
  }

  knows(name: string): boolean {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      if (scope.#names.has(name) || scope.willDeclare.has(name)) return true;
    }
    return false;
  }

  /** A name that nothing declares: a logic variable of this body. */
  addImplicit(name: string, loc: Location): Variable {
    const variable = new Variable(name, loc);
    this.#names.set(name, variable);
    return variable;
  }

  /** A parameter of that name, when this body is a function's. */
  argument(name: string): Variable | undefined {
    return this.#occurrences.get(name) === "arg" ? this.#names.get(name) : undefined;
  }

  /** The scope of an `else` branch: the parameters, and nothing else of this body. */
  elseScope(willDeclare: ReadonlySet<string>): Scope {
    const scope = new Scope(this.parent, willDeclare);
    for (const [name, occurrence] of this.#occurrences) {
      const variable = this.#names.get(name);
      if (occurrence !== "arg" || variable === undefined) continue;
      scope.#names.set(name, variable);
      scope.#occurrences.set(name, "arg");
    }
    return scope;
  }

  declare(name: string, occurrence: Occurrence, loc: Location, problems: Problems): Variable {
    const variable = new Variable(name, loc);
    const before = this.#occurrences.get(name);
    if (before !== undefined) problems.error("rego_compile_error", REDECLARED[before](name), loc);
    this.#occurrences.set(name, occurrence);
    this.#names.set(name, variable);
    this.declared.push(variable);
    return variable;
  }
}

const NOWHERE: Location = { file: "", row: 0, col: 0, endRow: 0, endCol: 0 };

const REDECLARED: Readonly<Record<Occurrence, (name: string) => string>> = {
  assigned: (name) => `var ${name} assigned above`,
  declared: (name) => `var ${name} declared above`,
  arg: (name) => `arg ${name} redeclared`,
  seen: (name) => `var ${name} referenced above`,
};
