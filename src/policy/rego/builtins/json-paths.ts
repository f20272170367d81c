import { ObjectBuilder, RArray, type RObject, SetBuilder } from "../collections.ts";
import { key } from "../compare.ts";
import { isObject, typeName, type Value } from "../value.ts";
import { type Builtin, type BuiltinContext, badType, define, listAt, objectAt } from "./builtin.ts";
import { ARRAY, anyOf, arrayOf, OBJECT, setOf } from "./types.ts";

const PATH = anyOf("string", ARRAY);
const PATHS = anyOf(arrayOf(PATH), setOf(PATH));

/** The steps of a path: an array of keys, or `/`-separated text with `~1` for `/` and `~0` for `~`. */
export function pathSteps(path: Value, at: number): readonly Value[] {
  if (typeof path === "string") return textSteps(path);
  if (typeof path === "object" && path !== null && path.kind === "array") return path.items;
  throw badType(
    `operand ${at + 1} must hold paths as strings or arrays of path segments but got ${typeName(path)}`,
  );
}

function textSteps(path: string): readonly string[] {
  if (path === "") return [];
  let start = 0;
  while (path[start] === "/") start++;
  return path
    .slice(start)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** All paths as one tree: a member that is `null` ends a path, and what lies below it is included. */
function pathTree(args: readonly Value[], ctx: BuiltinContext): RObject {
  const root = new PathNode();
  for (const path of listAt(args, 1)) {
    const steps = pathSteps(path, 1);
    ctx.charge(1 + steps.length);
    ctx.cells(steps.length);
    root.insert(steps);
  }
  return root.build();
}

class PathNode {
  /** By canonical key: the step and what follows; null where a path ends. */
  readonly #children = new Map<string, readonly [Value, PathNode | null]>();

  /** A path that ends at a step wins over longer ones through it. */
  insert(steps: readonly Value[]): void {
    let node: PathNode | null = this;
    for (const step of steps.slice(0, -1)) {
      node = node.#child(step);
      if (node === null) return;
    }
    const last = steps.at(-1);
    if (last !== undefined) node.#children.set(key(last), [last, null]);
  }

  #child(step: Value): PathNode | null {
    const known = this.#children.get(key(step));
    if (known !== undefined) return known[1];
    const child = new PathNode();
    this.#children.set(key(step), [step, child]);
    return child;
  }

  build(): RObject {
    const builder = new ObjectBuilder();
    for (const [step, child] of this.#children.values()) builder.set(step, child?.build() ?? null);
    return builder.build();
  }
}

/** What the tree of paths keeps of a value. Indexes of arrays are spelled as text, as in JSON pointers. */
function filter(value: Value, tree: Value, ctx: BuiltinContext): Value {
  if (tree === null || !isObject(tree) || typeof value !== "object" || value === null) return value;
  ctx.charge(1 + (value.kind === "array" ? value.length : value.size));
  if (value.kind === "array") {
    const kept: Value[] = [];
    for (const [index, item] of value.items.entries()) {
      const below = tree.get(String(index));
      if (below !== undefined) kept.push(filter(item, below, ctx));
    }
    return RArray.of(kept);
  }
  if (value.kind === "set") return filterMembers(value.members(), tree, ctx);
  return filterEntries(value, tree, ctx);
}

function filterMembers(members: readonly Value[], tree: RObject, ctx: BuiltinContext): Value {
  const builder = new SetBuilder();
  for (const member of members) {
    const below = tree.get(member);
    if (below !== undefined) builder.add(filter(member, below, ctx));
  }
  return builder.build();
}

function filterEntries(value: RObject, tree: RObject, ctx: BuiltinContext): RObject {
  const builder = new ObjectBuilder();
  for (const key of value.unorderedKeys()) {
    const below = tree.get(key);
    const member = value.get(key);
    if (below !== undefined && member !== undefined) builder.set(key, filter(member, below, ctx));
  }
  return builder.build();
}

/** What is left without the tree of paths; undefined when nothing is. */
function remove(value: Value, tree: Value | undefined, ctx: BuiltinContext): Value | undefined {
  if (tree === null) return undefined;
  if (!isObject(tree) || typeof value !== "object" || value === null) return value;
  const size = value.kind === "array" ? value.length : value.size;
  ctx.charge(1 + size);
  ctx.cells(size);
  if (value.kind === "array") {
    const left = value.items.map((item, index) => remove(item, tree.get(String(index)), ctx));
    return RArray.of(left.filter((item) => item !== undefined));
  }
  if (value.kind === "set") return removeMembers(value.members(), tree, ctx);
  return removeEntries(value, tree, ctx);
}

function removeMembers(members: readonly Value[], tree: RObject, ctx: BuiltinContext): Value {
  const builder = new SetBuilder();
  for (const member of members) {
    const left = remove(member, tree.get(member), ctx);
    if (left !== undefined) builder.add(left);
  }
  return builder.build();
}

function removeEntries(value: RObject, tree: RObject, ctx: BuiltinContext): RObject {
  const builder = new ObjectBuilder();
  for (const key of value.unorderedKeys()) {
    const left = remove(value.get(key) ?? null, tree.get(key), ctx);
    if (left !== undefined) builder.set(key, left);
  }
  return builder.build();
}

export const JSON_PATHS: readonly Builtin[] = [
  define("json.filter", [OBJECT, PATHS], OBJECT, (args, ctx) => {
    const object = objectAt(args, 0);
    ctx.cells(object.size);
    return filter(object, pathTree(args, ctx), ctx);
  }),
  define("json.remove", [OBJECT, PATHS], OBJECT, (args, ctx) => {
    const object = objectAt(args, 0);
    return remove(object, pathTree(args, ctx), ctx);
  }),
];
