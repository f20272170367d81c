/**
 * Warns where a comparison or a built-in's operand can never match. OPA refuses such policies; the engines that
 * existing policies were written for accept them, so here it is advice.
 */
import { key } from "../compare.ts";
import type { Location } from "../errors.ts";
import { sourceForm } from "../text.ts";
import type { ClosurePlan, IClause, ITerm, Reference, Variable } from "./ir.ts";
import { calleeName } from "./ir.ts";
import type { LiteralPlan, Op, Pattern } from "./plan.ts";
import type { Problems } from "./problems.ts";
import { dataPath, type TreeNode } from "./tree.ts";
import {
  ANY,
  elementType,
  overlap,
  stepType,
  type Type,
  typeOfSpec,
  typeOfValue,
  union,
} from "./type-model.ts";

export function checkTypes(tree: TreeNode, clauses: readonly IClause[], problems: Problems): void {
  const checker = new TypeChecker(tree, clauses, problems);
  for (const clause of clauses) checker.clause(clause);
}

/** Rules that depend on rules that depend on rules: further than this no type is followed. */
const MAX_CHAIN = 32;

class TypeChecker {
  readonly #tree: TreeNode;
  readonly #problems: Problems;
  readonly #byRule: Map<string, IClause[]> = new Map();
  readonly #variables: Map<Variable, Type> = new Map();
  readonly #checked: Set<IClause> = new Set();
  readonly #rules: Map<TreeNode, Type> = new Map();
  #depth = 0;
  /** Inside a `with` that replaces functions the signatures mean nothing. */
  #mocked = 0;

  constructor(tree: TreeNode, clauses: readonly IClause[], problems: Problems) {
    this.#tree = tree;
    this.#problems = problems;
    for (const clause of clauses) {
      const name = dataPath(clause.path);
      const own = this.#byRule.get(name);
      if (own === undefined) this.#byRule.set(name, [clause]);
      else own.push(clause);
    }
  }

  clause(clause: IClause): void {
    if (this.#checked.has(clause)) return;
    this.#checked.add(clause);
    for (const branch of clause.branches) {
      if (branch.plan === undefined) continue;
      this.#body(branch.plan.body, clause.loc);
      this.#term(branch.plan.value);
      for (const step of branch.plan.suffix) this.#term(step);
    }
  }

  #warn(message: string, loc: Location): void {
    this.#problems.warn("rego_type_error", message, loc);
  }

  #body(plans: readonly LiteralPlan[], around: Location): void {
    for (const plan of plans) for (const op of plan.ops) this.#op(op, plan.literal?.loc ?? around);
  }

  #op(op: Op, loc: Location): void {
    switch (op.op) {
      case "test":
        this.#term(op.term);
        break;
      case "match":
        if (!this.#bind(op.into, this.#term(op.term))) this.#warn("match error", loc);
        break;
      case "iterate":
        this.#iterate(op, loc);
        break;
      case "relation":
        for (const arg of op.call.args) this.#term(arg);
        this.#bind(op.into, ANY);
        break;
      case "someIn": {
        const inner = elementType(this.#term(op.collection)) ?? ANY;
        this.#bind(op.key, ANY);
        this.#bind(op.value, inner);
        break;
      }
      case "not":
        this.#body(op.body, loc);
        break;
      case "every":
        this.#variables.set(op.value, elementType(this.#term(op.domain)) ?? ANY);
        this.#body(op.body, loc);
        break;
      case "any":
        for (const body of op.bodies) this.#body(body, loc);
        break;
      case "print":
        break;
      default:
        this.#with(op, loc);
    }
  }

  #with(op: Extract<Op, { op: "with" }>, loc: Location): void {
    for (const { replacement } of op.withs) if (replacement.kind === "value") this.#term(replacement.term);
    this.#mocked += 1;
    for (const inner of op.ops) this.#op(inner, loc);
    this.#mocked -= 1;
  }

  #iterate(op: Extract<Op, { op: "iterate" }>, loc: Location): void {
    let type: Type | undefined = typeof op.ref.root === "string" ? undefined : this.#term(op.ref.root);
    for (const step of op.steps) {
      this.#bind(step, ANY);
      if (type !== undefined) type = elementType(type);
    }
    if (!this.#bind(op.into, type ?? ANY)) this.#warn("match error", loc);
  }

  /** Gives variables their types; false when the pattern can never match. */
  #bind(pattern: Pattern, type: Type): boolean {
    switch (pattern.p) {
      case "any":
        return true;
      case "bind":
        this.#variables.set(pattern.variable, type);
        return true;
      case "same":
        return overlap(this.#term(pattern.term), type);
      case "array": {
        const items = type.kind === "array" ? type.items : undefined;
        if (items !== undefined && items.length !== pattern.items.length) return false;
        return pattern.items.every((item, at) => this.#bind(item, items?.[at] ?? ANY));
      }
      default: {
        const fields = type.kind === "object" ? type.fields : undefined;
        return pattern.entries.every(([name, inner]) => {
          this.#term(name);
          const known = name.t === "const" ? fields?.get(key(name.value)) : undefined;
          return this.#bind(inner, known ?? ANY);
        });
      }
    }
  }

  #term(term: ITerm): Type {
    switch (term.t) {
      case "const":
        return typeOfValue(term.value);
      case "var":
        return this.#variables.get(term.variable) ?? ANY;
      case "array":
        return { kind: "array", items: term.items.map((item) => this.#term(item)) };
      case "set":
        return { kind: "set", of: union(term.items.map((item) => this.#term(item))) };
      case "object":
        return this.#object(term);
      case "ref":
        return this.#reference(term);
      case "call":
        return this.#call(term);
      case "compr":
        return this.#comprehension(term);
      default:
        return { kind: "string" };
    }
  }

  #object(term: Extract<ITerm, { t: "object" }>): Type {
    const fields = new Map<string, Type>();
    let known = true;
    for (const [name, value] of term.entries) {
      this.#term(name);
      const type = this.#term(value);
      if (name.t === "const") fields.set(key(name.value), type);
      else known = false;
    }
    return known ? { kind: "object", fields } : { kind: "object", of: ANY };
  }

  #comprehension(term: Extract<ITerm, { t: "compr" }>): Type {
    const plan: ClosurePlan | undefined = term.plan;
    if (plan === undefined) return ANY;
    this.#body(plan.body, term.loc);
    if (plan.key !== undefined) this.#term(plan.key);
    const of = this.#term(plan.value);
    return { kind: term.kind, of };
  }

  #call(term: Extract<ITerm, { t: "call" }>): Type {
    const types = term.args.map((arg) => this.#term(arg));
    if (term.callee.kind !== "builtin") return ANY;
    const { builtin } = term.callee;
    if (this.#mocked > 0) return ANY;
    const [left = ANY, right = ANY] = types;
    if (builtin.name === "equal" && !overlap(left, right)) this.#warn("match error", term.loc);
    const fits = types.every((type, at) => overlap(type, typeOfSpec(builtin.args[at] ?? "any")));
    if (!fits) this.#warn(`${calleeName(term.callee)}: invalid argument(s)`, term.loc);
    return typeOfSpec(builtin.result);
  }

  #reference(term: Reference): Type {
    const { root, path } = term;
    for (const step of path) this.#term(step);
    if (root === "input") return ANY;
    if (root !== "data") return this.#walk(this.#term(root), term, 0);
    return this.#data(term);
  }

  #data(term: Reference): Type {
    let node: TreeNode | undefined = this.#tree;
    let used = 0;
    while (node !== undefined && node.definitions.length === 0) {
      const step: ITerm | undefined = term.path[used];
      if (step?.t !== "const") return ANY;
      node = node.child(step.value);
      used += 1;
    }
    if (node === undefined) return ANY;
    if (node.isFunction) {
      this.#undefinedRef(term);
      return ANY;
    }
    return this.#walk(this.#rule(node), term, used);
  }

  #walk(start: Type, term: Reference, from: number): Type {
    let type = start;
    for (const step of term.path.slice(from)) {
      const next = step.t === "const" ? stepType(type, step.value) : elementType(type);
      if (next === undefined) {
        this.#undefinedRef(term);
        return ANY;
      }
      type = next;
    }
    return type;
  }

  #undefinedRef(term: Reference): void {
    const start = typeof term.root === "string" ? term.root : "(expr)";
    const constant = term.path.every((step) => step.t === "const");
    const steps = term.path.map((step) => (step.t === "const" ? step.value : "_"));
    const text =
      start === "data" && constant
        ? dataPath(steps)
        : start + steps.map((s) => `[${sourceForm(s)}]`).join("");
    this.#warn(`undefined ref: ${text}`, term.loc);
  }

  /** What a rule can be worth. */
  #rule(node: TreeNode): Type {
    const known = this.#rules.get(node);
    if (known !== undefined) return known;
    if (this.#depth >= MAX_CHAIN) return ANY;
    this.#rules.set(node, ANY);
    this.#depth += 1;
    const type = this.#ruleType(node);
    this.#depth -= 1;
    this.#rules.set(node, type);
    return type;
  }

  #ruleType(node: TreeNode): Type {
    if (node.isDynamic) return { kind: "object", of: ANY };
    const clauses = this.#byRule.get(dataPath(node.path)) ?? [];
    for (const clause of clauses) this.clause(clause);
    const values = clauses.flatMap((clause) =>
      clause.branches.map((branch) => (branch.plan === undefined ? ANY : this.#term(branch.plan.value))),
    );
    return clauses[0]?.kind === "set" ? { kind: "set", of: union(values) } : union(values);
  }
}
