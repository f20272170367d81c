/** Bodies: lists of literals that mostly bind before they read. */

import { KEYS } from "./documents.ts";
import {
  anyCollection,
  anyOf,
  anyReference,
  comparison,
  comprehension,
  expression,
  functionCall,
  literal as literalTerm,
  membership,
  plainReference,
  quote,
} from "./expressions.ts";
import { anyType, arr, type Collection, obj, Scope, type Type } from "./scope.ts";

type LiteralMaker = (s: Scope, depth: number) => string;

/** Binds the names it introduces in `s`. */
export function body(s: Scope, depth: number, least = 1, most = 4): string[] {
  const literals = s.random.many(least, most, () => literal(s, depth));
  // Nested bodies stay where they are: whether OPA sees in them (and in `print`) what is
  // bound later depends on its order of passes.
  const isFlat = !literals.some((text) => /[|{]|^print/.test(text));
  return isFlat && s.random.chance(0.2) ? s.random.shuffled(literals) : literals;
}

function literal(s: Scope, depth: number): string {
  const make = s.random.weighted(depth > 0 ? NESTING : FLAT);
  // OPA's server leaves `print` out, and with it the modifiers and their failures.
  const isModified = make !== printing && s.random.chance(depth > 0 ? 0.07 : 0.02);
  // The modifiers first: they do not see what the literal binds. After `some` OPA takes a variable in them for a
  // use before its declaration.
  const suffix = isModified
    ? ` ${modifiers(make === someIn ? new Scope(s.world) : s, depth, make !== every)}`
    : "";
  const text = make(s, depth) + suffix;
  // A line that begins with a minus sign continues the line before.
  return text.startsWith("-") ? `true; ${text}` : text;
}

const FLAT: readonly (readonly [number, LiteralMaker])[] = [
  [6, assignment],
  [5, someIn],
  [4, iteration],
  [7, comparison],
  [3, (s, d) => expression(s, "bool", d)],
  [2, (s) => `${withoutStoredArrays(plainReference(s))}[${expression(s, "str", 0)}]`],
  [2, (s) => anyReference(s)],
  [2, unification],
  [2, destructuring],
  [2, (s, d) => membership(s, d)],
  [1, outputArgument],
  [1, printing],
  [1, ruleIteration],
  [1, walking],
];

/** OPA's store finds the first element of an array under the text "0" too. */
function withoutStoredArrays(path: string): string {
  return path.startsWith("data.base.") ? "input.nested.deep" : path;
}

const NESTING: readonly (readonly [number, LiteralMaker])[] = [
  ...FLAT,
  [4, negation],
  [3, every],
  [2, (s, d) => functionCall(s, "any", d) ?? comparison(s, d)],
];

function assignment(s: Scope, depth: number): string {
  const type = anyType(s.random);
  const value = expression(s, type, depth);
  return `${s.declare(type)} := ${value}`;
}

function keyType(collection: Collection): Type {
  return collection.kind === "arr" ? "num" : collection.kind === "obj" ? "str" : collection.of;
}

/** `some x in …`, `some k, x in …`, also with a pattern. */
function someIn(s: Scope, depth: number): string {
  if (s.random.chance(0.2)) return someItem(s);
  const collection = anyCollection(s);
  const whole = expression(s, collection, depth);
  const value = s.declare(collection.of);
  if (s.random.chance(0.5)) return `some ${value} in ${whole}`;
  return `some ${s.declare(keyType(collection))}, ${value} in ${whole}`;
}

function someItem(s: Scope): string {
  const name = s.world.fresh("v");
  const source = s.random.pick(["input.items", "data.base.items"]);
  s.bind(name, "any");
  return `some {"id": ${name}, "n": ${s.declare("any")}} in [o | some i in ${source}; o := {"id": i.id, "n": i.n}]`;
}

/** References that bind their index. */
function iteration(s: Scope): string {
  const source = s.random.pick([
    "input.items",
    "data.base.items",
    "input.numbers",
    "input.map",
    "data.base.map",
  ]);
  const index = s.random.chance(0.3) ? "_" : s.declare("any");
  const suffix = source.endsWith("items") ? `.${s.random.pick(["id", "n", "ok", "tags"])}` : "";
  if (s.random.chance(0.3))
    return `${source}[${index}]${suffix} == ${literalTerm(s, s.random.pick(["num", "str"]))}`;
  return `${s.declare("any")} ${s.random.pick([":=", "="])} ${source}[${index}]${suffix}`;
}

/** Both directions of `=`, and between two values. */
function unification(s: Scope, depth: number): string {
  const type = anyType(s.random);
  const value = expression(s, type, depth);
  if (s.random.chance(0.4)) return `${value} = ${expression(s, type, depth)}`;
  const name = s.declare(type);
  return s.random.chance(0.5) ? `${name} = ${value}` : `${value} = ${name}`;
}

function destructuring(s: Scope, depth: number): string {
  const [first, second] = [expression(s, "num", depth - 1), expression(s, "str", depth - 1)];
  if (s.random.chance(0.3)) {
    const key = quote(s.random.pick(KEYS));
    return `{${key}: ${s.declare("num")}, "z": ${s.declare("str")}} = {${key}: ${first}, "z": ${second}}`;
  }
  if (s.random.chance(0.3)) return `[${s.declare("any")}, ${s.declare("any")}] = input.numbers`;
  if (s.random.chance(0.3)) return `[${s.declare("num")}, ${literalTerm(s, "str")}] = [${first}, ${second}]`;
  return `[${s.declare("num")}, ${s.declare("str")}] := [${first}, ${second}]`;
}

function outputArgument(s: Scope, depth: number): string {
  const whole = expression(s, anyCollection(s), depth - 1);
  return `count(${whole}, ${s.declare("num")})`;
}

function printing(s: Scope, depth: number): string {
  return `print("seen", ${expression(s, anyOf(s), depth - 1)}, ${anyReference(s)})`;
}

/** Over a rule that is a collection, which need not be computed as a whole. */
function ruleIteration(s: Scope, depth: number): string {
  const rules = s.world.visibleRules.filter(({ type }) => typeof type !== "string");
  if (rules.length === 0) return comparison(s, depth);
  const { name } = s.random.pick(rules);
  if (s.random.chance(0.5)) return `${name}[${s.declare("any")}]`;
  return `${s.declare("any")} = ${name}[${s.random.chance(0.5) ? s.declare("any") : expression(s, "str", 0)}]`;
}

function walking(s: Scope): string {
  const source = s.random.pick(["input.nested", "data.base.deep", "input.items"]);
  return `walk(${source}, [${s.declare(arr("any"))}, ${s.declare("any")}])`;
}

/**
 * Operands under `not` are never undefined themselves: OPA evaluates those of a call before the negation, so that
 * they would make the whole literal undefined (see the known differences).
 */
function negation(s: Scope, depth: number): string {
  const type = anyOf(s);
  const operator = s.random.pick(
    ["num", "str"].includes(String(type)) ? ["==", "!=", "<", ">="] : ["<", ">="],
  );
  const makers: readonly (() => string)[] = [
    () => plainReference(s),
    () => `${plainReference(s)} == ${literalTerm(s, "num")}`,
    () => `${defined(s, type, depth)} ${operator} ${defined(s, type, depth)}`,
    () => `${defined(s, "num", depth)} in ${defined(s, arr("num"), depth)}`,
    () =>
      `${s.random.pick(["startswith", "contains"])}(${defined(s, "str", depth)}, ${defined(s, "str", depth)})`,
    () => negatedCall(s, depth),
  ];
  return `not ${s.random.pick(makers)()}`;
}

function negatedCall(s: Scope, depth: number): string {
  const { functions } = s.world;
  if (functions.length === 0) return plainReference(s);
  const { name, parameters } = s.random.pick(functions);
  return `${name}(${parameters.map((type) => defined(s, type, depth)).join(", ")})`;
}

/** An expression that has a value whatever the documents hold. */
function defined(s: Scope, want: Type, depth: number): string {
  const names = s.ofType(want);
  if (names.length > 0 && s.random.chance(0.7)) return s.random.pick(names);
  if (want === "num" && s.random.chance(0.3))
    return `object.get(data.base.map, ${quote(s.random.pick(KEYS))}, 0)`;
  if (typeof want === "string" || want.kind === "obj" || depth <= 0) return literalTerm(s, want);
  return s.random.chance(0.4) ? comprehension(s, want, depth) : literalTerm(s, want);
}

function every(s: Scope, depth: number): string {
  const collection = anyCollection(s);
  const whole = expression(s, collection, depth - 1);
  const inner = s.inner();
  const value = inner.declare(collection.of);
  const key = s.random.chance(0.4) ? `${inner.declare(keyType(collection))}, ` : "";
  return `every ${key}${value} in ${whole} { ${nested(inner, depth - 1)} }`;
}

export function nested(s: Scope, depth: number): string {
  return body(s, depth, 1, 2).join("; ");
}

/** `with` for documents and for functions; OPA's type check refuses the latter after `every`. */
function modifiers(s: Scope, depth: number, ofFunctions: boolean): string {
  return s.random.many(1, 2, () => `with ${replacement(s, depth, ofFunctions)}`).join(" ");
}

function replacement(s: Scope, depth: number, ofFunctions: boolean): string {
  const value = (type: Type): string => expression(s, type, Math.min(1, depth));
  const targets: (() => string)[] = [
    () => `input.n as ${value("num")}`,
    () => `input.nested.deep as ${value(obj("num"))}`,
    () => `input.items as [{"id": ${value("str")}, "n": 1}]`,
    () => `input as {"n": ${value("num")}, "s": ${value("str")}}`,
    () => `data.base.limit as ${value("num")}`,
    () => `data.base.numbers as ${value(arr("num"))}`,
    () => `data.base.fresh.x as ${value("any")}`,
  ];
  if (ofFunctions)
    targets.push(() => s.random.pick(["count as 7", "startswith as endswith", "lower as upper"]));
  for (const rule of s.world.visibleRules) {
    if (!rule.name.includes(".")) targets.push(() => `data.gen.${rule.name} as ${value(rule.type)}`);
  }
  for (const known of ofFunctions ? s.world.functions : [])
    targets.push(() => `${known.name} as ${literalTerm(s, known.result)}`);
  return s.random.pick(targets)();
}
