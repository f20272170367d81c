/** Types as far as they can be told without running: enough to see that something can never match. */
import type { TypeSpec } from "../builtins/index.ts";
import { RArray, RObject, RSet } from "../collections.ts";
import { key } from "../compare.ts";
import type { Value } from "../value.ts";

export type Type =
  | { readonly kind: "any" | "null" | "boolean" | "number" | "string" }
  /** With `items` the length and each element are known. */
  | { readonly kind: "array"; readonly items?: readonly Type[]; readonly of?: Type }
  | { readonly kind: "set"; readonly of: Type }
  /** With `fields`, by canonical key, all members are known. */
  | { readonly kind: "object"; readonly fields?: ReadonlyMap<string, Type>; readonly of?: Type }
  | { readonly kind: "union"; readonly of: readonly Type[] };

export const ANY: Type = { kind: "any" };
const NUMBER: Type = { kind: "number" };
/** Larger constants are not looked into. */
const MAX_MEMBERS = 64;

export function union(types: readonly Type[]): Type {
  const [first, ...rest] = types;
  if (first === undefined || types.some((type) => type.kind === "any")) return ANY;
  if (rest.length === 0) return first;
  return types.length > 16 ? ANY : { kind: "union", of: types };
}

export function typeOfValue(value: Value, depth = 0): Type {
  if (value === null) return { kind: "null" };
  if (typeof value === "boolean") return { kind: "boolean" };
  if (typeof value === "string") return { kind: "string" };
  if (typeof value !== "object") return NUMBER;
  if (depth > 8) return ANY;
  if (value instanceof RArray) {
    if (value.length > MAX_MEMBERS) return { kind: "array", of: ANY };
    return { kind: "array", items: value.items.map((item) => typeOfValue(item, depth + 1)) };
  }
  if (value instanceof RSet) {
    const members = value.members().slice(0, MAX_MEMBERS + 1);
    const known = members.length <= MAX_MEMBERS && members.length > 0;
    return { kind: "set", of: known ? union(members.map((member) => typeOfValue(member, depth + 1))) : ANY };
  }
  if (!(value instanceof RObject) || value.size > MAX_MEMBERS) return { kind: "object", of: ANY };
  const fields = value
    .entries()
    .map(([name, member]) => [key(name), typeOfValue(member, depth + 1)] as const);
  return { kind: "object", fields: new Map(fields) };
}

export function typeOfSpec(spec: TypeSpec): Type {
  if (typeof spec === "string") return { kind: spec };
  if ("array" in spec) return { kind: "array", of: typeOfSpec(spec.array) };
  if ("tuple" in spec) return { kind: "array", items: spec.tuple.map(typeOfSpec) };
  if ("set" in spec) return { kind: "set", of: typeOfSpec(spec.set) };
  if ("object" in spec) return { kind: "object", of: typeOfSpec(spec.object.value) };
  return union(spec.anyOf.map(typeOfSpec));
}

/** Whether some value could have both types. */
export function overlap(a: Type, b: Type): boolean {
  if (a.kind === "any" || b.kind === "any") return true;
  if (a.kind === "union") return a.of.some((part) => overlap(part, b));
  if (b.kind === "union") return b.of.some((part) => overlap(a, part));
  if (a.kind !== b.kind) return false;
  if (a.kind === "array" && b.kind === "array") return arraysOverlap(a, b);
  if (a.kind === "object" && b.kind === "object") return objectsOverlap(a, b);
  return true;
}

type ArrayType = Extract<Type, { kind: "array" }>;
type ObjectType = Extract<Type, { kind: "object" }>;

function arraysOverlap(a: ArrayType, b: ArrayType): boolean {
  if (a.items !== undefined && b.items !== undefined) {
    const { items } = b;
    return a.items.length === items.length && a.items.every((item, at) => overlap(item, items[at] ?? ANY));
  }
  const [items, of] = a.items === undefined ? [b.items ?? [], a.of] : [a.items, b.of];
  return items.every((item) => overlap(item, of ?? ANY));
}

function objectsOverlap(a: ObjectType, b: ObjectType): boolean {
  if (a.fields !== undefined && b.fields !== undefined) {
    if (a.fields.size !== b.fields.size) return false;
    for (const [name, type] of a.fields) {
      const other = b.fields.get(name);
      if (other === undefined || !overlap(type, other)) return false;
    }
    return true;
  }
  const fields = a.fields ?? b.fields;
  const of = (a.fields === undefined ? a.of : b.of) ?? ANY;
  return fields === undefined || [...fields.values()].every((type) => overlap(type, of));
}

/** The type behind a step with a known key; undefined when there can be nothing. */
export function stepType(type: Type, step: Value): Type | undefined {
  switch (type.kind) {
    case "any":
      return ANY;
    case "union": {
      const parts = type.of.map((part) => stepType(part, step)).filter((part) => part !== undefined);
      return parts.length === 0 ? undefined : union(parts);
    }
    case "array":
      if (typeof step !== "number" || step < 0) return undefined;
      return type.items === undefined ? (type.of ?? ANY) : type.items[step];
    case "object":
      return type.fields === undefined ? (type.of ?? ANY) : type.fields.get(key(step));
    case "set":
      return overlap(type.of, typeOfValue(step)) ? typeOfValue(step) : undefined;
    default:
      return undefined;
  }
}

/** The type behind a step whose key is not known; undefined for what has no inside. */
export function elementType(type: Type): Type | undefined {
  switch (type.kind) {
    case "any":
      return ANY;
    case "union": {
      const parts = type.of.map(elementType).filter((part) => part !== undefined);
      return parts.length === 0 ? undefined : union(parts);
    }
    case "array":
      return type.items === undefined ? (type.of ?? ANY) : union(type.items);
    case "object":
      return type.fields === undefined ? (type.of ?? ANY) : union([...type.fields.values()]);
    case "set":
      return type.of;
    default:
      return undefined;
  }
}
