import { ObjectBuilder, RObject, SetBuilder } from "../collections.ts";
import { equal } from "../compare.ts";
import { walkingSteps } from "../shape.ts";
import { isArray, isObject, isSet, type RArray, type RSet, typeName, type Value } from "../value.ts";
import {
  anyAt,
  arrayAt,
  type Builtin,
  type BuiltinContext,
  badOperand,
  badType,
  define,
  objectAt,
} from "./builtin.ts";
import { ARRAY, anyOf, arrayOf, OBJECT, SET } from "./types.ts";

const KEYS = anyOf(ARRAY, OBJECT, SET);

/** The keys an operand lists: elements of an array, members of a set, keys of an object. */
function listedKeys(args: readonly Value[], ctx: BuiltinContext): RSet {
  const value = args[1];
  const builder = new SetBuilder();
  for (const key of listed(value)) {
    ctx.charge(1);
    builder.add(key);
  }
  return builder.build();
}

function listed(value: Value | undefined): Iterable<Value> {
  if (isArray(value)) return value.items;
  if (isSet(value)) return value.unordered();
  if (isObject(value)) return value.unorderedKeys();
  throw badOperand(1, "one of {object, set, array}", value);
}

function select(object: RObject, keep: (key: Value) => boolean, ctx: BuiltinContext): RObject {
  ctx.charge(object.size);
  ctx.cells(object.size);
  const builder = new ObjectBuilder();
  for (const key of object.unorderedKeys()) {
    const value = object.get(key);
    if (value !== undefined && keep(key)) builder.set(key, value);
  }
  return builder.build();
}

/** The value at a key; when the key is an array, at the path it spells. */
function get(args: readonly Value[], ctx: BuiltinContext): Value {
  const object = objectAt(args, 0);
  const key = anyAt(args, 1);
  const fallback = anyAt(args, 2);
  if (!isArray(key)) return object.get(key) ?? fallback;
  let value: Value | undefined = object;
  ctx.charge(key.length >> 2);
  for (const step of key.items) value = value === undefined ? undefined : stepInto(value, step);
  return value ?? fallback;
}

/** One step of a path into a value; undefined where it leads nowhere. */
export function stepInto(value: Value, step: Value): Value | undefined {
  if (isObject(value)) return value.get(step);
  if (isArray(value)) return typeof step === "number" ? value.get(step) : undefined;
  if (isSet(value)) return value.has(step) ? step : undefined;
  return undefined;
}

/** The right object over the left one; where both hold objects, these are merged the same way. */
function merge(left: RObject, right: RObject, ctx: BuiltinContext): RObject {
  ctx.charge(left.size + right.size);
  ctx.cells(left.size + right.size);
  const builder = new ObjectBuilder();
  for (const key of left.unorderedKeys()) builder.set(key, left.get(key) ?? null);
  for (const key of right.unorderedKeys()) {
    const value = right.get(key) ?? null;
    const other = builder.get(key);
    builder.set(key, isObject(other) && isObject(value) ? merge(other, value, ctx) : value);
  }
  return builder.build();
}

function unionN(array: RArray, ctx: BuiltinContext): RObject {
  const objects = array.items.map((item) => {
    if (isObject(item)) return item;
    throw badType(`operand 1 must be array of objects but got array containing ${typeName(item)}`);
  });
  return objects.reduce((result, object) => merge(result, object, ctx), RObject.EMPTY);
}

function subset(args: readonly Value[], ctx: BuiltinContext): boolean {
  const [whole, part] = [anyAt(args, 0), anyAt(args, 1)];
  if (isObject(whole) && isObject(part)) return objectSubset(whole, part, ctx);
  if (isSet(whole) && isSet(part)) return setSubset(whole, part, ctx);
  if (isArray(whole) && isArray(part)) return arraySubset(whole, part, ctx);
  if (isArray(whole) && isSet(part)) return arrayHolds(whole, part, ctx);
  throw badType("both arguments must be of the same type, or array and set");
}

function objectSubset(whole: RObject, part: RObject, ctx: BuiltinContext): boolean {
  ctx.charge(part.size);
  if (part.size > whole.size) return false;
  for (const key of part.unorderedKeys()) {
    const [outer, inner] = [whole.get(key), part.get(key)];
    if (outer === undefined || inner === undefined || !memberSubset(outer, inner, ctx)) return false;
  }
  return true;
}

/** Inside objects, objects, sets and arrays are compared as subsets, and everything else by value. */
function memberSubset(whole: Value, part: Value, ctx: BuiltinContext): boolean {
  if (isObject(whole) && isObject(part)) return objectSubset(whole, part, ctx);
  if (isSet(whole) && isSet(part)) return setSubset(whole, part, ctx);
  if (isArray(whole) && isArray(part)) return arraySubset(whole, part, ctx);
  return equal(whole, part);
}

function setSubset(whole: RSet, part: RSet, ctx: BuiltinContext): boolean {
  ctx.charge(part.size);
  for (const member of part.unordered()) if (!whole.has(member)) return false;
  return true;
}

/** Whether the part occurs in the array as a run of neighbours. */
function arraySubset(whole: RArray, part: RArray, ctx: BuiltinContext): boolean {
  for (let start = 0; start + part.length <= whole.length; start++) {
    ctx.charge(1 + part.length + walkingSteps(part));
    if (part.items.every((item, at) => equal(item, whole.items[start + at] ?? null))) return true;
  }
  return false;
}

function arrayHolds(whole: RArray, part: RSet, ctx: BuiltinContext): boolean {
  ctx.charge(whole.length + part.size);
  const members = new SetBuilder();
  for (const item of whole.items) members.add(item);
  for (const member of part.unordered()) if (!members.has(member)) return false;
  // OPA finds nothing in an empty array, not even the empty set.
  return whole.length > 0;
}

function keysOf(object: RObject, ctx: BuiltinContext): RSet {
  ctx.charge(object.size);
  ctx.cells(object.size);
  const builder = new SetBuilder();
  for (const key of object.unorderedKeys()) builder.add(key);
  return builder.build();
}

export const OBJECTS: readonly Builtin[] = [
  define("object.filter", [OBJECT, KEYS], OBJECT, (args, ctx) => {
    const object = objectAt(args, 0);
    const keys = listedKeys(args, ctx);
    return select(object, (key) => keys.has(key), ctx);
  }),
  define("object.remove", [OBJECT, KEYS], OBJECT, (args, ctx) => {
    const object = objectAt(args, 0);
    const keys = listedKeys(args, ctx);
    return select(object, (key) => !keys.has(key), ctx);
  }),
  define("object.get", [OBJECT, "any", "any"], "any", get),
  define("object.keys", [OBJECT], SET, (args, ctx) => keysOf(objectAt(args, 0), ctx)),
  define("object.subset", [KEYS, KEYS], "boolean", subset),
  define("object.union", [OBJECT, OBJECT], OBJECT, (args, ctx) =>
    merge(objectAt(args, 0), objectAt(args, 1), ctx),
  ),
  define("object.union_n", [arrayOf(OBJECT)], OBJECT, (args, ctx) => unionN(arrayAt(args, 0), ctx)),
];
