/** From names to variables, paths and callees: terms. */
import type { CallTerm, ComprehensionTerm, RefTerm, TemplateTerm, Term, VarTerm } from "../ast.ts";
import { operatorName } from "../ast.ts";
import { ObjectBuilder, RArray, SetBuilder } from "../collections.ts";
import type { Location } from "../errors.ts";
import type { Value } from "../value.ts";
import type { Environment } from "./environment.ts";
import {
  type Call,
  type Callee,
  type Comprehension,
  calleeArity,
  calleeName,
  type IBody,
  type ITerm,
  type Reference,
  Variable,
} from "./ir.ts";
import { declaredNames } from "./names.ts";
import { Scope } from "./scope.ts";
import { nodeAt } from "./tree.ts";

/** Resolves terms; bodies are left to the subclass. */
export abstract class TermResolver {
  readonly env: Environment;

  constructor(env: Environment) {
    this.env = env;
  }

  abstract body(source: ComprehensionTerm["body"], scope: Scope, extra?: readonly Term[]): IBody;

  error(message: string, loc: Location): void {
    this.env.problems.error("rego_compile_error", message, loc);
  }

  term(term: Term, scope: Scope): ITerm {
    switch (term.kind) {
      case "scalar":
        return { t: "const", value: term.value, loc: term.loc };
      case "var":
        return this.#var(term, scope);
      case "ref":
        return this.#ref(term, scope);
      case "call":
        return this.call(term, scope) ?? { t: "const", value: null, loc: term.loc };
      case "array":
      case "set":
        return foldList(
          term.kind,
          term.items.map((item) => this.term(item, scope)),
          term.loc,
        );
      case "object":
        return foldObject(
          term.entries.map(([name, value]) => [this.term(name, scope), this.term(value, scope)] as const),
          term.loc,
        );
      case "template":
        return this.#template(term, scope);
      default:
        return this.comprehension(term, scope);
    }
  }

  #var(term: VarTerm, scope: Scope): ITerm {
    const { name, loc } = term;
    if (name === "_") return { t: "var", variable: new Variable("_", loc, true), loc };
    const local = scope.find(name);
    if (local !== undefined) {
      local.used = true;
      return { t: "var", variable: local, loc };
    }
    const global = this.env.global(name);
    if (global !== undefined) {
      const path = global.path.map((step): ITerm => ({ t: "const", value: step, loc }));
      return { t: "ref", root: global.root, path, loc };
    }
    return { t: "var", variable: scope.addImplicit(name, loc), loc };
  }

  #ref(term: RefTerm, scope: Scope): ITerm {
    const path = term.path.map((step) => this.term(step, scope));
    const head = this.term(term.head, scope);
    if (head.t === "ref")
      return { ...head, path: [...head.path, ...path], loc: term.loc } satisfies Reference;
    return { t: "ref", root: head, path, loc: term.loc };
  }

  comprehension(term: ComprehensionTerm, scope: Scope): Comprehension {
    const inner = new Scope(scope, declaredNames(term.body));
    const heads = term.key === undefined ? [term.value] : [term.key, term.value];
    const body = this.body(term.body, inner, heads);
    const key = term.key === undefined ? undefined : this.term(term.key, inner);
    const value = this.term(term.value, inner);
    const kind = term.kind === "arrayCompr" ? "array" : term.kind === "setCompr" ? "set" : "object";
    return { t: "compr", kind, key, value, body, loc: term.loc, plan: undefined };
  }

  /** `{x | x := term}`: how undefined is tolerated and several values are collected, in `print` and templates. */
  collect(term: Term, scope: Scope): Comprehension {
    const inner = new Scope(scope, new Set());
    const names = [term];
    const body = this.body([], inner, names);
    const value = this.term(term, inner);
    return { t: "compr", kind: "set", key: undefined, value, body, loc: term.loc, plan: undefined };
  }

  #template(term: TemplateTerm, scope: Scope): ITerm {
    const parts = term.parts.map((part) => (typeof part === "string" ? part : this.collect(part, scope)));
    return { t: "template", parts, loc: term.loc };
  }

  /** Undefined when the callee does not exist; that is reported. */
  call(term: CallTerm, scope: Scope, atStatement = false): Call | undefined {
    const args = term.args.map((arg) => this.term(arg, scope));
    const callee = this.callee(term.operator, scope, term.infix !== undefined);
    if (callee === undefined) return undefined;
    if (term.infix === "-" && args.length === 1) args.unshift({ t: "const", value: 0, loc: term.loc });
    const arity = calleeArity(callee);
    const extra = args.length - arity;
    if (extra !== 0 && !(atStatement && extra === 1)) {
      this.env.problems.error("rego_type_error", arityMessage(callee, args.length), term.loc);
      return undefined;
    }
    return { t: "call", callee, args, loc: term.loc };
  }

  callee(operator: VarTerm | RefTerm, scope: Scope, isInfix = false): Callee | undefined {
    const name = operatorName(operator);
    if (name === undefined) {
      this.error("a function must be named by a constant reference", operator.loc);
      return undefined;
    }
    if (isInfix) return this.#builtin(name, operator.loc);
    const steps = name === "" ? [] : constantSteps(operator);
    const [head = "", ...rest] = steps;
    if (scope.knows(head)) {
      this.error(`called function ${name} shadowed`, operator.loc);
      return undefined;
    }
    const global = this.env.global(head);
    if (global === undefined) return this.#named(name, operator.loc);
    if (global.root === "input")
      return this.#undefinedFunction(["input", ...global.path, ...rest].join("."), operator.loc);
    return this.function([...global.path, ...rest], operator.loc);
  }

  function(path: readonly string[], loc: Location): Callee | undefined {
    const node = nodeAt(this.env.world.tree, path);
    const definition = node?.definitions[0];
    if (definition?.kind !== "function") return this.#undefinedFunction(["data", ...path].join("."), loc);
    return { kind: "function", path, arity: definition.args.length };
  }

  #named(name: string, loc: Location): Callee | undefined {
    const host = this.env.world.hosts.get(name);
    if (host !== undefined) return { kind: "host", host };
    return this.#builtin(name, loc);
  }

  #builtin(name: string, loc: Location): Callee | undefined {
    const refusal = this.env.refusal(name);
    if (refusal !== undefined && !this.env.world.allowMockedBuiltins) {
      this.env.problems.error(
        "rego_type_error",
        `undefined function ${name}: not available, ${refusal}`,
        loc,
      );
      return undefined;
    }
    const builtin = this.env.builtin(name) ?? this.env.refused(name);
    if (builtin === undefined) return this.#undefinedFunction(name, loc);
    if (builtin.deprecated === true) this.#deprecated(name, loc);
    return { kind: "builtin", builtin };
  }

  #deprecated(name: string, loc: Location): void {
    const message = `deprecated built-in function calls in expression: ${name}`;
    if (this.env.isV0) this.env.problems.warn("deprecated_builtin", message, loc);
    else this.env.problems.error("rego_type_error", message, loc);
  }

  #undefinedFunction(name: string, loc: Location): undefined {
    this.env.problems.error("rego_type_error", `undefined function ${name}`, loc);
  }
}

function arityMessage(callee: Callee, got: number): string {
  if (callee.kind !== "function") return `${calleeName(callee)}: arity mismatch`;
  const args = got === 1 ? "argument" : "arguments";
  return `function ${calleeName(callee)} has arity ${callee.arity}, got ${got} ${args}`;
}

export function constantSteps(operator: VarTerm | RefTerm): string[] {
  if (operator.kind === "var") return [operator.name];
  const head = operator.head.kind === "var" ? operator.head.name : "";
  return [head, ...operator.path.map((step) => (step.kind === "scalar" ? String(step.value) : ""))];
}

/** A list of constants is a constant. */
function foldList(kind: "array" | "set", items: readonly ITerm[], loc: Location): ITerm {
  const values: Value[] = [];
  for (const item of items) {
    if (item.t !== "const") return { t: kind, items, loc };
    values.push(item.value);
  }
  if (kind === "array") return { t: "const", value: RArray.of(values), loc };
  const builder = new SetBuilder();
  for (const value of values) builder.add(value);
  return { t: "const", value: builder.build(), loc };
}

/** Of a repeated key the last entry counts. */
function foldObject(entries: readonly (readonly [ITerm, ITerm])[], loc: Location): ITerm {
  const builder = new ObjectBuilder();
  for (const [name, value] of entries) {
    if (name.t !== "const" || value.t !== "const") return { t: "object", entries, loc };
    builder.set(name.value, value.value);
  }
  return { t: "const", value: builder.build(), loc };
}

/** Makes the variables that a body mentions without declaring them, before anything nested in it is looked at. */
export function addImplicitVariables(
  env: Environment,
  scope: Scope,
  mention: (visit: (variable: VarTerm) => void) => void,
): void {
  mention(({ name, loc }) => {
    if (name !== "_" && !scope.knows(name) && env.global(name) === undefined) scope.addImplicit(name, loc);
  });
}
