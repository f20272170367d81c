/** Rules of every form. */

import { body } from "./bodies.ts";
import { KEYS } from "./documents.ts";
import { conflicting, expression, literal, quote } from "./expressions.ts";
import { anyType, arr, obj, Scope, scalarType, set, type Type, type World } from "./scope.ts";

const DEPTH = 2;

type RuleMaker = (world: World) => string[];

/** The definitions of one more rule, which the world knows afterwards. */
export function rule(world: World): string[] {
  return world.random.weighted(RULES)(world);
}

const RULES: readonly (readonly [number, RuleMaker])[] = [
  [6, complete],
  [3, constant],
  [3, partialSet],
  [3, partialObject],
  [2, referenceHead],
  [2, deepPartial],
  [4, functionRule],
  [1, truthObject],
];

function block(literals: readonly string[]): string {
  return `{\n\t${literals.join("\n\t")}\n}`;
}

/** How a definition is written. */
interface Form {
  /** No variable of a body in the value: then its solutions agree. */
  readonly agrees: boolean;
  readonly hasElse: boolean;
}

/** One definition with a body of its own, and `else` branches now and then. */
function definition(head: string, type: Type, vars: Scope, form: Form): string {
  const { random } = vars;
  let text = `${head} ${branch(type, vars, form, DEPTH)}`;
  while (form.hasElse && random.chance(0.5)) text += ` else ${branch(type, vars, form, DEPTH - 1)}`;
  if (form.hasElse && random.chance(0.2)) text += ` else := ${expression(vars.inner(), type, 1)}`;
  return text;
}

function branch(type: Type, vars: Scope, form: Form, depth: number): string {
  const scope = vars.inner();
  const early = vars.random.chance(0.5) ? literal(scope, type) : expression(scope, type, 1);
  const literals = body(scope, depth);
  return `:= ${form.agrees ? early : expression(scope, type, 1)} if ${block(literals)}`;
}

function complete(world: World): string[] {
  const { random } = world;
  const [name, type] = [world.fresh("r"), anyType(random)];
  const fixed = random.chance(0.5) ? literal(new Scope(world), type) : undefined;
  const agrees = fixed === undefined && random.chance(0.5);
  const definitions = random.many(1, agrees ? 1 : 3, () => {
    if (fixed !== undefined) return `${name} := ${fixed} if ${block(body(new Scope(world), DEPTH))}`;
    return definition(name, type, new Scope(world), { agrees, hasElse: random.chance(0.5) });
  });
  if (random.chance(0.4)) definitions.unshift(`default ${name} := ${literal(new Scope(world), type)}`);
  publish(world, name, type, fixed !== undefined || agrees);
  return definitions;
}

/** A rule that may have conflicting values is not used: when engines notice depends on their order of work. */
function publish(world: World, name: string, type: Type, agrees: boolean): void {
  world.rules.push({ name, type, visible: agrees });
}

function constant(world: World): string[] {
  const [name, type] = [world.fresh("c"), anyType(world.random)];
  const mayConflict = typeof type !== "string" && type.kind === "obj" && world.random.chance(0.3);
  const scope = new Scope(world);
  const value = mayConflict ? conflicting(scope, type.of, DEPTH) : expression(scope, type, DEPTH);
  publish(world, name, type, !mayConflict);
  return [`${name} := ${value}`];
}

function partialSet(world: World): string[] {
  const [name, of] = [world.fresh("s"), scalarType(world.random)];
  const definitions = world.random.many(1, 3, () => {
    const scope = new Scope(world);
    const literals = body(scope, DEPTH);
    return `${name} contains ${expression(scope, of, 1)} if ${block(literals)}`;
  });
  publish(world, name, set(of), true);
  return definitions;
}

function partialObject(world: World): string[] {
  const [name, of] = [world.fresh("o"), scalarType(world.random)];
  const fixed = world.random.chance(0.6) ? literal(new Scope(world), of) : undefined;
  const definitions = world.random.many(1, 3, () => {
    const scope = new Scope(world);
    const literals = body(scope, DEPTH);
    const key = scope.random.chance(0.5) ? quote(scope.random.pick(KEYS)) : expression(scope, "str", 1);
    return `${name}[${key}] := ${fixed ?? expression(scope, of, 1)} if ${block(literals)}`;
  });
  publish(world, name, obj(of), fixed !== undefined);
  return definitions;
}

/** `p[x] if …`: an object of `true`. */
function truthObject(world: World): string[] {
  const name = world.fresh("t");
  const scope = new Scope(world);
  const literals = body(scope, DEPTH);
  publish(world, name, obj("bool"), true);
  return [`${name}[${expression(scope, "str", 0)}] if ${block(literals)}`];
}

function referenceHead(world: World): string[] {
  const { random } = world;
  const name = world.fresh("h");
  const definitions: string[] = [];
  for (const step of random.shuffled(["a", "b", "x-y"]).slice(0, random.between(1, 3))) {
    const path = step === "x-y" ? `["${step}"]` : `.${step}`;
    const type = scalarType(random);
    if (random.chance(0.3)) definitions.push(`default ${name}${path} := ${literal(new Scope(world), type)}`);
    const agrees = random.chance(0.7);
    const form = { agrees, hasElse: random.chance(0.2) };
    definitions.push(definition(`${name}${path}`, type, new Scope(world), form));
    publish(world, `${name}${path}`, type, agrees);
  }
  return definitions;
}

/** Objects in objects, and sets in objects. */
function deepPartial(world: World): string[] {
  const { random } = world;
  const [name, of] = [world.fresh("d"), scalarType(random)];
  const holdsSets = random.chance(0.4);
  const fixed = random.chance(0.6) ? literal(new Scope(world), of) : undefined;
  const definitions = random.many(1, 3, () => {
    const scope = new Scope(world);
    const literals = body(scope, DEPTH);
    const head = `${name}[${expression(scope, "str", 0)}]`;
    const value = fixed ?? expression(scope, of, 1);
    return holdsSets
      ? `${head} contains ${value} if ${block(literals)}`
      : `${head}.${random.pick(["a", "b"])} := ${value} if ${block(literals)}`;
  });
  publish(world, name, obj(holdsSets ? set(of) : obj(of)), holdsSets || fixed !== undefined);
  return definitions;
}

function functionRule(world: World): string[] {
  const { random } = world;
  const name = world.fresh("f");
  const parameters = random.many(1, 2, () =>
    random.pick<Type>(["num", "str", "any", arr("num"), obj("num")]),
  );
  const result = scalarType(random);
  const fixed = random.chance(0.7) ? literal(new Scope(world), result) : undefined;
  const definitions = random.many(1, 3, () => clause(world, name, parameters, result, fixed));
  if (random.chance(0.3)) {
    const blanks = parameters.map((_, at) => (random.chance(0.5) ? "_" : `a${at}`)).join(", ");
    definitions.unshift(`default ${name}(${blanks}) := ${literal(new Scope(world), result)}`);
  }
  if (fixed !== undefined) world.functions.push({ name, parameters, result });
  return definitions;
}

/** @param fixed - the value of every clause, or undefined when each has its own */
function clause(
  world: World,
  name: string,
  parameters: readonly Type[],
  result: Type,
  fixed: string | undefined,
): string {
  const scope = new Scope(world);
  const head = `${name}(${parameters.map((type) => pattern(scope, type)).join(", ")})`;
  const form = { agrees: false, hasElse: world.random.chance(0.3) };
  if (fixed === undefined) return definition(head, result, scope, form);
  return `${head} := ${fixed} if ${block(body(scope.inner(), DEPTH))}`;
}

function pattern(scope: Scope, type: Type): string {
  const { random } = scope;
  if (random.chance(0.1)) return "_";
  if (typeof type === "string") {
    return random.chance(0.2) ? literal(scope, type) : scope.declare(type);
  }
  if (type.kind === "arr" && random.chance(0.3))
    return `[${scope.declare(type.of)}, ${scope.declare(type.of)}]`;
  if (type.kind === "obj" && random.chance(0.3)) return `{"a": ${scope.declare(type.of)}}`;
  return scope.declare(type);
}
