/** Expressions of a wanted type. */
import { INPUT_FIELDS, KEYS, WORDS } from "./documents.ts";
import { arr, type Collection, fits, obj, SCALARS, type Scope, set, type Type } from "./scope.ts";

type Maker = (s: Scope, depth: number) => string;
type Weighted = readonly (readonly [weight: number, make: Maker])[];

const NUMERALS = ["0", "1", "2", "3", "-1", "10", "100", "255"];

export const quote = (text: string): string => JSON.stringify(text);

/** @param depth - how much deeper the expression may still nest */
export function expression(s: Scope, want: Type, depth: number): string {
  const { random } = s;
  const known = [...s.ofType(want), ...rulesOfType(s, want)];
  if (known.length > 0 && random.chance(0.35)) return random.pick(known);
  if (random.chance(0.06)) return anyReference(s);
  if (depth <= 0) return leaf(s, want);
  const call = functionCall(s, want, depth);
  if (call !== undefined && random.chance(0.3)) return call;
  if (random.chance(0.25)) return leaf(s, want);
  return composite(s, want, depth);
}

function rulesOfType(s: Scope, want: Type): string[] {
  return s.world.visibleRules.filter(({ type }) => fits(type, want)).map(({ name }) => name);
}

export function functionCall(s: Scope, want: Type, depth: number): string | undefined {
  const usable = s.world.functions.filter(({ result }) => fits(result, want));
  if (usable.length === 0) return undefined;
  const chosen = s.random.pick(usable);
  return `${chosen.name}(${chosen.parameters.map((type) => expression(s, type, depth - 1)).join(", ")})`;
}

/**
 * A place in a document, whose type nobody knows. No variable in its path: together with a comprehension in the same
 * literal OPA calls it unsafe.
 */
export function anyReference(s: Scope): string {
  const path = plainReference(s);
  return s.random.chance(0.1) ? `${path}[${literal(s, s.random.pick(SCALARS))}]` : path;
}

/** A place in a document, on a constant path. */
export function plainReference(s: Scope): string {
  return s.random.pick([
    ...Object.values(INPUT_FIELDS).flat(),
    "input.missing",
    "data.base.nothing",
    "data.base.deep.a.b.c",
    "data.base.limit",
    'input["nested"].name',
    "input.items[0].id",
    "input.numbers[1]",
    "data.missing.x",
    "input.nested.deep.n",
  ]);
}

export function literal(s: Scope, want: Type): string {
  const { random } = s;
  switch (want) {
    case "num":
      return random.pick([
        ...NUMERALS,
        ...(s.world.hasBigIntegers ? ["18446744073709551616"] : ["0.5", "2.25"]),
      ]);
    case "str":
      return quote(random.pick(WORDS));
    case "bool":
      return random.pick(["true", "false"]);
    case "any":
      return random.chance(0.1) ? "null" : literal(s, random.pick(SCALARS));
    default:
      return collection(s, want, (of) => literal(s, of));
  }
}

function leaf(s: Scope, want: Type): string {
  const { random } = s;
  const names = s.ofType(want);
  if (names.length > 0 && random.chance(0.5)) return random.pick(names);
  if (!random.chance(0.5)) return literal(s, want);
  if (typeof want === "string") return want === "any" ? anyReference(s) : random.pick(INPUT_FIELDS[want]);
  if (want.kind === "arr" && want.of === "num")
    return random.pick([...INPUT_FIELDS.numbers, "data.base.numbers"]);
  if (want.kind === "arr" && want.of === "str")
    return random.pick([...INPUT_FIELDS.strings, "data.base.names"]);
  if (want.kind === "obj" && want.of === "num") return random.pick([...INPUT_FIELDS.map, "data.base.map"]);
  return literal(s, want);
}

function collection(s: Scope, want: Collection, item: (of: Type) => string): string {
  const items = s.random.many(0, 3, () => item(want.of));
  if (want.kind === "arr") return `[${items.join(", ")}]`;
  if (want.kind === "set") return items.length === 0 ? "set()" : `{${items.join(", ")}}`;
  const names = s.random.shuffled(KEYS);
  return `{${items.map((value, at) => `${quote(names[at] ?? "k")}: ${value}`).join(", ")}}`;
}

function composite(s: Scope, want: Type, depth: number): string {
  if (want === "any") return composite(s, s.random.pick<Type>([...SCALARS, arr("any"), obj("num")]), depth);
  return s.random.weighted(makersFor(want))(s, depth);
}

function makersFor(want: Exclude<Type, "any">): Weighted {
  if (typeof want === "string") return SCALAR_MAKERS[want];
  const { of } = want;
  const common: Weighted = [
    [3, (s, d) => collection(s, want, (inner) => expression(s, inner, d - 1))],
    [4, (s, d) => comprehension(s, want, d)],
  ];
  if (want.kind === "set") return [...common, ...setMakers(of)];
  return [...common, ...(want.kind === "arr" ? arrayMakers(of) : objectMakers(of))];
}

/** `f(a, b)` of the given operand types. */
function call(name: string, ...types: readonly Type[]): Maker {
  return (s, d) => `${name}(${types.map((type) => expression(s, type, d - 1)).join(", ")})`;
}

function infix(operator: string, left: Type, right = left): Maker {
  return (s, d) => `(${expression(s, left, d - 1)} ${operator} ${expression(s, right, d - 1)})`;
}

const numbers = arr("num");
const strings = arr("str");

const SCALAR_MAKERS: Readonly<Record<"num" | "str" | "bool", Weighted>> = {
  num: [
    [4, infix("+", "num")],
    [3, infix("-", "num")],
    [3, infix("*", "num")],
    [
      2,
      (s, d) =>
        `(${expression(s, "num", d - 1)} / ${s.random.pick(s.world.hasBigIntegers ? ["1", "-1", "0"] : ["2", "4", "-1", "0.5", "0"])})`,
    ],
    [1, infix("%", "num")],
    [3, (s, d) => `count(${expression(s, anyCollection(s), d - 1)})`],
    [1, call("count", "str")],
    [2, call("sum", numbers)],
    [1, call("sum", set("num"))],
    [1, call("product", numbers)],
    [2, (s, d) => `${s.random.pick(["max", "min"])}(${expression(s, numbers, d - 1)})`],
    [1, call("max", set("num"))],
    [
      1,
      (s, d) =>
        `${s.random.pick(s.world.hasBigIntegers ? ["abs"] : ["abs", "ceil", "floor", "round"])}(${expression(s, "num", d - 1)})`,
    ],
    [1, (s, d) => (s.world.hasBigIntegers ? "to_number(input.n)" : call("to_number", "str")(s, d))],
    [1, call("indexof", "str", "str")],
    [1, call("strings.count", "str", "str")],
    [2, (s, d) => bits(s, d)],
    [2, (s, d) => `object.get(${expression(s, obj("num"), d - 1)}, ${quote(s.random.pick(KEYS))}, 0)`],
    [2, (s, d) => `${indexed(s, numbers, d)}[${s.random.below(3)}]`],
    [1, (s) => `units.parse_bytes(${quote(s.random.pick(["1KB", "2Ki", "10", "1.5M", "x"]))})`],
    [1, (s) => `semver.compare(${quote(s.random.pick(["1.2.3", "1.0.0-rc.1"]))}, "1.2.0")`],
    [1, (s) => (s.world.hasBigIntegers ? time(s) : "input.m")],
  ],
  str: [
    [3, call("concat", "str", strings)],
    [1, call("concat", "str", set("str"))],
    [4, (s, d) => format(s, d)],
    [
      1,
      (s, d) =>
        `${s.random.pick(["lower", "upper", "trim_space", "strings.reverse"])}(${expression(s, "str", d - 1)})`,
    ],
    [2, (s, d) => `${s.random.pick(TRIMS)}(${expression(s, "str", d - 1)}, ${expression(s, "str", d - 1)})`],
    [1, (s, d) => replacing(s, d)],
    [1, call("substring", "str", "num", "num")],
    [1, (s, d) => `format_int(${expression(s, "num", d - 1)}, ${s.random.pick(["2", "8", "10", "16"])})`],
    [2, (s, d) => `json.marshal(${expression(s, anyOf(s), d - 1)})`],
    [2, (s, d) => `type_name(${expression(s, "any", d - 1)})`],
    [1, call("base64.encode", "str")],
    [1, (s, d) => `base64.decode(base64.encode(${expression(s, "str", d - 1)}))`],
    [1, call("base64url.encode_no_pad", "str")],
    [1, call("hex.encode", "str")],
    [1, call("crypto.sha256", "str")],
    [1, call("urlquery.encode", "str")],
    [2, (s, d) => `${indexed(s, strings, d)}[${s.random.below(3)}]`],
    [
      1,
      (s, d) =>
        `strings.replace_n({"a": "b", "b": ${expression(s, "str", 0)}}, ${expression(s, "str", d - 1)})`,
    ],
    [1, (s, d) => `regex.replace(${expression(s, "str", d - 1)}, "[a-c]+", "<$0>")`],
    [1, (s, d) => template(s, d)],
  ],
  bool: [
    [5, (s, d) => `(${comparison(s, d)})`],
    [
      3,
      (s, d) =>
        `${s.random.pick(["startswith", "endswith", "contains"])}(${expression(s, "str", d - 1)}, ${expression(s, "str", d - 1)})`,
    ],
    [2, (s, d) => `${s.random.pick(TESTS)}(${expression(s, "any", d - 1)})`],
    [
      1,
      (s, d) =>
        `regex.match(${quote(s.random.pick(["^a", "b$", "[0-9]+", "^$", "(a|b)+c?"]))}, ${expression(s, "str", d - 1)})`,
    ],
    [
      1,
      (s, d) =>
        `glob.match(${quote(s.random.pick(["*", "a*", "?", "**.y", "{a,b}"]))}, ["."], ${expression(s, "str", d - 1)})`,
    ],
    [2, (s, d) => membership(s, d)],
    [1, call("object.subset", obj("num"), obj("num"))],
    [1, call("object.subset", set("str"), set("str"))],
    [1, call("strings.any_prefix_match", "str", strings)],
    [1, call("base64.is_valid", "str")],
    [1, call("json.is_valid", "str")],
    [
      1,
      (s) =>
        `net.cidr_contains("10.0.0.0/8", ${quote(s.random.pick(["10.1.2.3", "11.0.0.1", "10.2.0.0/16"]))})`,
    ],
  ],
};

const TRIMS = ["trim", "trim_left", "trim_right", "trim_prefix", "trim_suffix"];
const TESTS = ["is_number", "is_string", "is_boolean", "is_array", "is_object", "is_set", "is_null"];

function arrayMakers(of: Type): Weighted {
  const own = arr(of);
  const makers: (readonly [number, Maker])[] = [
    [2, call("array.concat", own, own)],
    [1, call("array.reverse", own)],
    [
      1,
      (s, d) => `array.slice(${expression(s, own, d - 1)}, ${s.random.below(3)}, ${s.random.between(-1, 4)})`,
    ],
    [1, call("sort", own)],
    [1, call("sort", set(of))],
  ];
  if (of === "str") makers.push([2, call("split", "str", "str")]);
  if (of === "num")
    makers.push([1, (s) => `numbers.range(${s.random.between(-2, 3)}, ${s.random.between(-2, 5)})`]);
  return makers;
}

function setMakers(of: Type): Weighted {
  const own = set(of);
  const makers: (readonly [number, Maker])[] = [
    [2, infix("|", own)],
    [2, infix("&", own)],
    [2, infix("-", own)],
    [1, (s, d) => `union({${expression(s, own, d - 1)}, ${expression(s, own, d - 1)}})`],
    [1, (s, d) => `intersection({${expression(s, own, d - 1)}, ${expression(s, own, d - 1)}})`],
  ];
  if (of === "str") makers.push([1, call("object.keys", obj("num"))]);
  return makers;
}

function objectMakers(of: Type): Weighted {
  const own = obj(of);
  return [
    [2, call("object.union", own, own)],
    [1, (s, d) => `object.union_n([${expression(s, own, d - 1)}, ${expression(s, own, d - 1)}])`],
    [1, (s, d) => `object.remove(${expression(s, own, d - 1)}, ${keyList(s)})`],
    [1, (s, d) => `object.filter(${expression(s, own, d - 1)}, ${keyList(s)})`],
    [1, (s, d) => `json.filter(${expression(s, own, d - 1)}, ${keyList(s)})`],
    [1, (s, d) => `json.remove(${expression(s, own, d - 1)}, ${keyList(s)})`],
    [1, (s, d) => `json.patch(${expression(s, own, d - 1)}, [${patch(s, of, d)}])`],
  ];
}

function keyList(s: Scope): string {
  return `[${s.random.many(0, 2, () => quote(s.random.pick(KEYS))).join(", ")}]`;
}

function patch(s: Scope, of: Type, depth: number): string {
  const path = quote(`/${s.random.pick(KEYS)}`);
  if (s.random.chance(0.3)) return `{"op": "remove", "path": ${path}}`;
  const op = s.random.pick(["add", "replace", "test"]);
  return `{"op": "${op}", "path": ${path}, "value": ${expression(s, of, depth - 1)}}`;
}

function bits(s: Scope, depth: number): string {
  const left = expression(s, "num", depth - 1);
  const name = s.random.pick(["and", "or", "xor", "lsh", "rsh", "negate"]);
  if (name === "negate") return `bits.negate(${left})`;
  const isShift = name === "lsh" || name === "rsh";
  return `bits.${name}(${left}, ${isShift ? String(s.random.below(s.world.hasBigIntegers ? 70 : 8)) : expression(s, "num", depth - 1)})`;
}

/** The text to look for is never empty: between characters OPA cuts some of them into bytes. */
function replacing(s: Scope, depth: number): string {
  const old = quote(s.random.pick(WORDS.filter((word) => word !== "")));
  return `replace(${expression(s, "str", depth - 1)}, ${old}, ${expression(s, "str", depth - 1)})`;
}

function time(s: Scope): string {
  return `time.parse_rfc3339_ns(${quote(s.random.pick(["2024-02-29T12:00:00Z", "2025-01-01"]))})`;
}

function format(s: Scope, depth: number): string {
  const verbs = s.random.many(1, 3, () => s.random.pick(["%v", "%v", "%s", "%d", "%q", "%5v|", "%x"]));
  const values = verbs.map((verb) =>
    expression(s, verb === "%d" ? "num" : verb === "%v" ? anyOf(s) : "str", depth - 1),
  );
  return `sprintf(${quote(verbs.join(" "))}, [${values.join(", ")}])`;
}

function template(s: Scope, depth: number): string {
  return `$"a{${expression(s, "any", Math.min(1, depth - 1))}}-{${expression(s, "str", 0)}}"`;
}

export function anyOf(s: Scope): Type {
  return s.random.pick<Type>(["num", "str", "bool", numbers, set("str"), obj("num"), "any"]);
}

export function anyCollection(s: Scope): Collection {
  const of = s.random.pick<Type>(["num", "str"]);
  return { kind: s.random.pick(["arr", "set", "obj"] as const), of };
}

/** An array that may be followed by `[`, long enough for a type checker when it is written out. */
function indexed(s: Scope, want: Collection, depth: number): string {
  const names = s.ofType(want);
  if (names.length > 0 && s.random.chance(0.6)) return s.random.pick(names);
  const items = s.random.many(3, 3, () => expression(s, want.of, depth - 1));
  return `[${items.join(", ")}]`;
}

export function comparison(s: Scope, depth: number): string {
  const type = s.random.pick<Type>(["num", "num", "str", "bool", numbers, set("str"), obj("num"), "any"]);
  const operators = ["==", "==", "!=", "<", "<=", ">", ">="];
  // A type checker refuses equality of objects with different keys.
  const isObject = typeof type !== "string" && type.kind === "obj";
  const operator = s.random.pick(isObject ? operators.slice(3) : operators);
  const left = type === "any" ? anyReference(s) : expression(s, type, depth - 1);
  return `${left} ${operator} ${expression(s, type, depth - 1)}`;
}

export function membership(s: Scope, depth: number): string {
  const collection = anyCollection(s);
  const whole = expression(s, collection, depth - 1);
  const item = expression(s, collection.of, depth - 1);
  if (!s.random.chance(0.3)) return `(${item} in ${whole})`;
  const key = collection.kind === "arr" ? "num" : collection.kind === "set" ? collection.of : "str";
  return `(${expression(s, key, 0)}, ${item} in ${whole})`;
}

export function comprehension(s: Scope, want: Collection, depth: number): string {
  const inner = s.inner();
  const body = s.world.nestedBody(inner, depth - 1);
  const value = parenthesised(expression(inner, want.of, depth - 1));
  if (want.kind === "arr") return `[${value} | ${body}]`;
  if (want.kind === "set") return `{${value} | ${body}}`;
  // A constant value: two values for one key would be a conflict, which is a matter of `conflicting` alone.
  return `{${parenthesised(expression(inner, "str", 0))}: ${literal(s, want.of)} | ${body}}`;
}

/** An object that may have two values for a key: when engines notice depends on their order of work. */
export function conflicting(s: Scope, of: Type, depth: number): string {
  const inner = s.inner();
  const body = s.world.nestedBody(inner, depth);
  return `{${quote(s.random.pick(KEYS))}: ${parenthesised(expression(inner, of, 1))} | ${body}}`;
}

/** The head of a comprehension may not be a bare operation. */
function parenthesised(term: string): string {
  return / (==|!=|<|<=|>|>=) /.test(term) ? `(${term})` : term;
}
