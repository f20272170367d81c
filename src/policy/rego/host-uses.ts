/**
 * What policies do with the answers of a host function: for each constant argument, which shape of answer the places
 * where it is used can work with. Followed through local variables, rules that are an answer, and functions to which an
 * answer, or only its name, is handed. Advice for whoever provides answers; no evaluation rests on it.
 */
import {
  type Call,
  calleeId,
  functionId,
  type IClause,
  type ILiteral,
  type IStatement,
  type ITerm,
  type Reference,
  type Variable,
} from "./analysis/ir.ts";
import { dataPath } from "./analysis/tree.ts";
import { ClauseVisitor } from "./analysis/visit.ts";
import type { Location } from "./errors.ts";

/**
 * `collection`: something is looked for in it; `single`: it is compared as a whole with one value; `number`: it is
 * compared by order. `any`: nothing is known of the place.
 */
export type AnswerShape = "collection" | "single" | "number" | "boolean" | "string" | "object" | "any";

export interface HostUse {
  /** The constant argument. */
  readonly argument: string;
  readonly shape: AnswerShape;
  readonly location: Location;
}

export interface HostUses {
  readonly uses: readonly HostUse[];
  /** Some argument is computed from input, so that more may be asked for than `uses` names. */
  readonly computed: boolean;
}

/** Steps through variables, rules and functions that one answer is followed. */
const MAX_DEPTH = 6;
/** Most uses that are collected from one policy. */
const MAX_USES = 10_000;
/** Terms looked at for one policy; callers of callers multiply. */
const MAX_STEPS = 20_000;

const OPERANDS: Readonly<Record<string, readonly (AnswerShape | undefined)[]>> = {
  "internal.member_2": [undefined, "collection"],
  "internal.member_3": [undefined, undefined, "collection"],
  equal: ["single", "single"],
  neq: ["single", "single"],
  lt: ["number", "number"],
  lte: ["number", "number"],
  gt: ["number", "number"],
  gte: ["number", "number"],
  is_number: ["number"],
  is_boolean: ["boolean"],
  is_string: ["string"],
  is_array: ["collection"],
  is_set: ["collection"],
  is_object: ["object"],
  count: ["collection"],
  "object.get": ["object"],
  and: ["collection", "collection"],
  or: ["collection", "collection"],
};

/** @param host - name of the host function */
export function collectHostUses(clauses: readonly IClause[], host: string): HostUses {
  return new Collector(clauses, host).collect();
}

/** A clause, and what its variables stand for. */
interface Scope {
  readonly clause: IClause;
  readonly aliases: ReadonlyMap<Variable, readonly ITerm[]>;
  /** Parameters that are plain variables, and their position. */
  readonly parameters: ReadonlyMap<Variable, number>;
}

interface Place {
  readonly term: ITerm;
  readonly scope: Scope;
}

class Collector {
  readonly #host: string;
  readonly #scopes: readonly Scope[];
  readonly #rules = new Map<string, Place[]>();
  readonly #calls = new Map<string, { readonly call: Call; readonly scope: Scope }[]>();
  readonly #uses = new Map<string, HostUse>();
  #computed = false;
  #steps = 0;

  constructor(clauses: readonly IClause[], host: string) {
    this.#host = host;
    this.#scopes = clauses.map(scopeOf);
    for (const scope of this.#scopes) this.#index(scope);
  }

  collect(): HostUses {
    for (const scope of this.#scopes) {
      const visit = (term: ITerm, shape: AnswerShape) => this.#use({ term, scope }, shape);
      new UseVisitor(visit).clause(scope.clause);
    }
    return { uses: [...this.#uses.values()], computed: this.#computed };
  }

  #index(scope: Scope): void {
    const { clause } = scope;
    if (clause.kind === "complete")
      for (const { value } of clause.branches)
        if (value !== undefined) put(this.#rules, dataPath(clause.path), { term: value, scope });
    new CallVisitor((call) => {
      if (call.callee.kind === "function") put(this.#calls, functionId(call.callee.path), { call, scope });
    }).clause(clause);
  }

  #use(place: Place, shape: AnswerShape): void {
    for (const argument of this.#answers(place, MAX_DEPTH)) {
      if (this.#uses.size >= MAX_USES) return;
      const { loc } = place.term;
      this.#uses.set(JSON.stringify([argument, shape, loc.file, loc.row]), {
        argument,
        shape,
        location: loc,
      });
    }
  }

  /** The constant arguments of the host call that a term is the answer of; none for other terms. */
  #answers({ term, scope }: Place, depth: number): readonly string[] {
    if (depth === 0) return [];
    if (term.t === "call") {
      const [first] = term.args;
      if (term.callee.kind !== "host" || term.callee.host.name !== this.#host || first === undefined)
        return [];
      const names = this.#texts({ term: first, scope }, depth - 1);
      if (names.length === 0) this.#computed = true;
      return names;
    }
    return this.#behind({ term, scope }).flatMap((place) => this.#answers(place, depth - 1));
  }

  /** The constant texts that a term can be, as far as the policy itself says. */
  #texts({ term, scope }: Place, depth: number): readonly string[] {
    if (term.t === "const") return typeof term.value === "string" ? [term.value] : [];
    if (depth === 0) return [];
    return this.#behind({ term, scope }).flatMap((place) => this.#texts(place, depth - 1));
  }

  /** What a variable or a rule stands for, one step further. */
  #behind({ term, scope }: Place): readonly Place[] {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) return [];
    if (term.t === "var") {
      const local = (scope.aliases.get(term.variable) ?? []).map((each) => ({ term: each, scope }));
      return [...local, ...this.#operands(scope, term.variable)];
    }
    const path = term.t === "ref" ? rulePath(term) : undefined;
    return path === undefined ? [] : (this.#rules.get(path) ?? []);
  }

  /** What callers of a function hand over where it has this parameter. */
  #operands({ clause, parameters }: Scope, variable: Variable): readonly Place[] {
    const at = parameters.get(variable);
    if (at === undefined) return [];
    const id = functionId(clause.path.map(String));
    return (this.#calls.get(id) ?? []).flatMap(({ call, scope }) => {
      const term = call.args[at];
      return term === undefined ? [] : [{ term, scope }];
    });
  }
}

/** Calls `visit` for each term that stands where something is expected of its shape. */
class UseVisitor extends ClauseVisitor {
  readonly #visit: (term: ITerm, shape: AnswerShape) => void;

  constructor(visit: (term: ITerm, shape: AnswerShape) => void) {
    super();
    this.#visit = visit;
  }

  override call(call: Call): void {
    if (call.callee.kind === "host") this.#visit(call, "any");
    const name = calleeId(call.callee);
    const shapes = Object.hasOwn(OPERANDS, name) ? OPERANDS[name] : undefined;
    for (const [at, shape] of (shapes ?? []).entries()) {
      const term = call.args[at];
      if (shape !== undefined && term !== undefined) this.#visit(term, shape);
    }
  }

  override reference(term: Reference): void {
    const [step] = term.path;
    if (typeof term.root === "string" || step === undefined) return;
    this.#visit(term.root, step.t === "const" && typeof step.value === "string" ? "object" : "collection");
  }

  override statement(statement: IStatement): void {
    if (statement.k === "someIn") this.#visit(statement.collection, "collection");
    if (statement.k === "every") this.#visit(statement.domain, "collection");
    // With a variable on one side it may just give the answer a name.
    if (statement.k === "unify" && ![statement.left, statement.right].some(({ t }) => t === "var")) {
      this.#visit(statement.left, "single");
      this.#visit(statement.right, "single");
    }
    super.statement(statement);
  }
}

class CallVisitor extends ClauseVisitor {
  readonly #visit: (call: Call) => void;

  constructor(visit: (call: Call) => void) {
    super();
    this.#visit = visit;
  }

  override call(call: Call): void {
    this.#visit(call);
  }
}

class AliasVisitor extends ClauseVisitor {
  readonly aliases: Map<Variable, ITerm[]> = new Map();

  override literalFound({ statement }: ILiteral): void {
    if (statement.k !== "unify") return;
    const { left, right } = statement;
    if (left.t === "var") put(this.aliases, left.variable, right);
    if (right.t === "var") put(this.aliases, right.variable, left);
  }
}

function scopeOf(clause: IClause): Scope {
  const visitor = new AliasVisitor();
  visitor.clause(clause);
  const parameters = clause.args.flatMap((arg, at) => (arg.t === "var" ? [[arg.variable, at] as const] : []));
  return { clause, aliases: visitor.aliases, parameters: new Map(parameters) };
}

/** The path of the rule that a reference names as a whole. */
function rulePath(term: Reference): string | undefined {
  if (term.root !== "data") return undefined;
  const steps = term.path.flatMap((step) => (step.t === "const" ? [step.value] : []));
  return steps.length === term.path.length ? dataPath(steps) : undefined;
}

function put<Key, Item>(map: Map<Key, Item[]>, key: Key, item: Item): void {
  const items = map.get(key);
  if (items === undefined) map.set(key, [item]);
  else items.push(item);
}
