/** Targets and replacements of `with`. */
import type { RefTerm, Term, VarTerm, WithModifier } from "../ast.ts";
import { operatorName } from "../ast.ts";
import type { Location } from "../errors.ts";
import type { Value } from "../value.ts";
import { type Callee, calleeArity, calleeId, type IWith, type Replacement, type WithTarget } from "./ir.ts";
import { constantSteps, type TermResolver } from "./resolve.ts";
import type { Scope } from "./scope.ts";
import { nodeAt } from "./tree.ts";

const NOT_REPLACEABLE: ReadonlySet<string> = new Set([
  "eq",
  "internal.print",
  "print",
  "rego.metadata.chain",
  "rego.metadata.rule",
]);

export function resolveWith(resolver: TermResolver, modifier: WithModifier, scope: Scope): IWith | undefined {
  const target = resolveTarget(resolver, modifier.target, scope);
  const replacement =
    target === undefined ? undefined : resolveReplacement(resolver, modifier, target, scope);
  if (target === undefined || replacement === undefined) return undefined;
  return { target, replacement, loc: modifier.loc };
}

function typeError(resolver: TermResolver, message: string, loc: Location): undefined {
  resolver.env.problems.error("rego_type_error", message, loc);
}

function resolveTarget(
  resolver: TermResolver,
  term: VarTerm | RefTerm,
  scope: Scope,
): WithTarget | undefined {
  const fault = "with keyword target must reference existing input, data, or a function";
  const head = term.kind === "var" ? term : term.head;
  if (head.kind !== "var") return typeError(resolver, fault, term.loc);
  if (scope.knows(head.name)) return typeError(resolver, fault, term.loc);
  const global = resolver.env.global(head.name);
  if (global === undefined) return functionTarget(resolver, term);
  const path: Value[] = [...global.path];
  for (const step of term.kind === "var" ? [] : term.path) {
    if (step.kind !== "scalar" || typeof step.value !== "string") {
      return typeError(resolver, "with keyword target path must consist of constant strings", step.loc);
    }
    path.push(step.value);
  }
  return global.root === "input" ? { kind: "input", path } : dataTarget(resolver, path, term.loc);
}

function dataTarget(resolver: TermResolver, path: readonly Value[], loc: Location): WithTarget | undefined {
  const { tree } = resolver.env.world;
  for (let length = 1; length < path.length; length += 1) {
    const definitions = nodeAt(tree, path.slice(0, length))?.definitions ?? [];
    if (definitions.length > 0) {
      resolver.error("with keyword cannot partially replace virtual document(s)", loc);
      return undefined;
    }
  }
  const node = nodeAt(tree, path);
  if (node?.isFunction !== true) return { kind: "data", path };
  const steps = path.map(String);
  const callee: Callee = { kind: "function", path: steps, arity: node.definitions[0]?.args.length ?? 0 };
  return { kind: "function", id: calleeId(callee), arity: callee.arity };
}

function functionTarget(resolver: TermResolver, term: VarTerm | RefTerm): WithTarget | undefined {
  const name = operatorName(term) ?? "";
  const { env } = resolver;
  const host = env.world.hosts.get(name);
  if (host !== undefined) return { kind: "function", id: name, arity: host.arity };
  // A refused built-in can still be replaced by a mock: it never runs then.
  const builtin = env.builtin(name) ?? env.refused(name);
  if (builtin === undefined) {
    return typeError(
      resolver,
      "with keyword target must reference existing input, data, or a function",
      term.loc,
    );
  }
  if (builtin.relation === true) {
    resolver.error("with keyword replacing built-in function: target must not be a relation", term.loc);
    return undefined;
  }
  if (NOT_REPLACEABLE.has(name) || name.startsWith("internal.")) {
    resolver.error(`with keyword replacing built-in function: replacement of ${name} invalid`, term.loc);
    return undefined;
  }
  return { kind: "function", id: name, arity: builtin.arity };
}

function resolveReplacement(
  resolver: TermResolver,
  modifier: WithModifier,
  target: WithTarget,
  scope: Scope,
): Replacement | undefined {
  const callee =
    target.kind === "function" ? replacementFunction(resolver, modifier.value, scope) : undefined;
  if (callee === undefined || target.kind !== "function") {
    return { kind: "value", term: resolver.term(modifier.value, scope) };
  }
  if (calleeArity(callee) !== target.arity) {
    return typeError(resolver, `with keyword replacement: arity mismatch`, modifier.loc);
  }
  return { kind: "function", callee };
}

/** A bare name of a function replaces by that function; anything else is a value. */
function replacementFunction(resolver: TermResolver, term: Term, scope: Scope): Callee | undefined {
  if (term.kind !== "var" && term.kind !== "ref") return undefined;
  const name = operatorName(term);
  if (name === undefined) return undefined;
  const [head = "", ...rest] = constantSteps(term);
  if (scope.knows(head)) return undefined;
  const { env } = resolver;
  const global = env.global(head);
  if (global !== undefined) {
    if (global.root === "input") return undefined;
    const path = [...global.path, ...rest];
    return nodeAt(env.world.tree, path)?.isFunction === true ? resolver.function(path, term.loc) : undefined;
  }
  const host = env.world.hosts.get(name);
  if (host !== undefined) return { kind: "host", host };
  const refused = env.world.allowMockedBuiltins ? env.refused(name) : undefined;
  const builtin = env.builtin(name) ?? refused;
  return builtin === undefined ? undefined : { kind: "builtin", builtin };
}
