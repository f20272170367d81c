/**
 * Arrays, objects and sets. All three are immutable, compare by value and remember their canonical key.
 *
 * A document that came as JSON is wrapped, not converted: a policy reads a few members of a large input, so a
 * member becomes a value on first access. Whoever hands over a document must not change it afterwards.
 */
import { createHash } from "node:crypto";
import { toWellFormed } from "./bytes.ts";
import { compare, key } from "./compare.ts";
import { BudgetError } from "./errors.ts";
import { numberFromJs } from "./numbers.ts";
import { MAX_VALUE_DEPTH, Measure, type Shape, shapeOf, shapeOfJson } from "./shape.ts";
import type { Composite, Scalar, Value } from "./value.ts";

/** An ordered list. */
export class RArray implements Iterable<Value> {
  readonly kind = "array";
  #items: readonly Value[] | undefined;
  readonly #source: Wrapped<readonly unknown[]> | undefined;
  #shape: Shape | undefined;
  #key: string | undefined;

  /** @internal use `RArray.of` or `fromJson` */
  constructor(items: readonly Value[] | undefined, source?: Wrapped<readonly unknown[]>) {
    this.#items = items;
    this.#source = source;
    if (items !== undefined) this.#shape = shapeOf(items);
  }

  /** Takes the list over: the caller must not change it afterwards. @throws BudgetError */
  static of(items: readonly Value[]): RArray {
    return items.length === 0 ? EMPTY_ARRAY : new RArray(items);
  }

  /** A JSON array as a value; see `wrapJson`. */
  static wrap(source: Wrapped<readonly unknown[]>): RArray {
    return source.json.length === 0 ? EMPTY_ARRAY : new RArray(undefined, source);
  }

  static get EMPTY(): RArray {
    return EMPTY_ARRAY;
  }

  get length(): number {
    return this.#items?.length ?? this.#source?.json.length ?? 0;
  }

  /** All elements, never to be changed. */
  get items(): readonly Value[] {
    this.#items ??= this.#unwrap();
    return this.#items;
  }

  /** The element at a position; `undefined` outside the array and for anything but a whole number. */
  get(index: number): Value | undefined {
    return this.items[index];
  }

  [Symbol.iterator](): IterableIterator<Value> {
    return this.items[Symbol.iterator]();
  }

  get shape(): Shape {
    this.#shape ??= shapeOfJson(this.#source?.json ?? [], this.#source?.level ?? 0);
    return this.#shape;
  }

  /** Canonical key; equal arrays have equal keys. @throws BudgetError */
  key(): string {
    this.#key ??= this.#makeKey();
    return this.#key;
  }

  #makeKey(): string {
    this.#shape ??= this.shape; // measured first: an oversized value must not become text
    return shortKey(`[${this.items.map(key).join(",")}]`);
  }

  #unwrap(): readonly Value[] {
    const source = this.#source;
    if (source === undefined) return [];
    return Array.from(source.json, (item) => wrapJson(item, source.level + 1));
  }
}

/** A mapping from any value to any value; iteration is in ascending key order. */
export class RObject {
  readonly kind = "object";
  readonly #members: Members;
  #keys: readonly Value[] | undefined;
  #shape: Shape | undefined;
  #key: string | undefined;

  /** @internal use `ObjectBuilder`, `RObject.EMPTY` or `fromJson` */
  constructor(members: Members) {
    this.#members = members;
    // What a policy builds is bounded at once; a document that a policy does not touch costs nothing.
    if (!members.lazy) this.#shape = members.shape();
  }

  static get EMPTY(): RObject {
    return EMPTY_OBJECT;
  }

  get size(): number {
    return this.#members.size;
  }

  get(member: Value): Value | undefined {
    return this.#members.get(member);
  }

  has(member: Value): boolean {
    return this.#members.get(member) !== undefined;
  }

  /** Keys in ascending order. */
  keys(): readonly Value[] {
    this.#keys ??= [...this.#members.keys()].sort(compare);
    return this.#keys;
  }

  /** Keys in whatever order is cheapest. */
  unorderedKeys(): Iterable<Value> {
    return this.#keys ?? this.#members.keys();
  }

  /** Values in ascending order of their keys. */
  values(): Value[] {
    return this.keys().map((member) => this.get(member) ?? null);
  }

  /** Members in ascending key order. */
  entries(): [Value, Value][] {
    return this.keys().map((member) => [member, this.get(member) ?? null]);
  }

  get shape(): Shape {
    this.#shape ??= this.#members.shape();
    return this.#shape;
  }

  /** Canonical key; equal objects have equal keys. @throws BudgetError */
  key(): string {
    this.#key ??= this.#makeKey();
    return this.#key;
  }

  #makeKey(): string {
    this.#shape ??= this.shape; // measured first: an oversized value must not become text
    const members = this.entries().map(([name, value]) => `${key(name)}=${key(value)}`);
    return shortKey(`{${members.join(",")}}`);
  }
}

/** A collection of different values; iteration is in ascending order. */
export class RSet implements Iterable<Value> {
  readonly kind = "set";
  readonly #scalars: ReadonlySet<Scalar>;
  readonly #composites: ReadonlyMap<string, Composite> | undefined;
  readonly shape: Shape;
  #members: readonly Value[] | undefined;
  #key: string | undefined;

  /** @internal use `SetBuilder` or `RSet.of` */
  constructor(scalars: ReadonlySet<Scalar>, composites: ReadonlyMap<string, Composite> | undefined) {
    this.#scalars = scalars;
    this.#composites = composites;
    this.shape = shapeOf(this.unordered());
  }

  /** The set of the given values. @throws BudgetError */
  static of(items: Iterable<Value>): RSet {
    const builder = new SetBuilder();
    for (const item of items) builder.add(item);
    return builder.build();
  }

  static get EMPTY(): RSet {
    return EMPTY_SET;
  }

  get size(): number {
    return this.#scalars.size + (this.#composites?.size ?? 0);
  }

  has(value: Value): boolean {
    if (typeof value !== "object" || value === null) return this.#scalars.has(value);
    return this.#composites?.has(value.key()) ?? false;
  }

  /** Members in ascending order. */
  members(): readonly Value[] {
    this.#members ??= [...this.unordered()].sort(compare);
    return this.#members;
  }

  /** Members in whatever order is cheapest. */
  *unordered(): IterableIterator<Value> {
    yield* this.#scalars;
    if (this.#composites !== undefined) yield* this.#composites.values();
  }

  [Symbol.iterator](): IterableIterator<Value> {
    return this.members()[Symbol.iterator]();
  }

  /** Canonical key; equal sets have equal keys. @throws BudgetError */
  key(): string {
    this.#key ??= shortKey(`<${this.members().map(key).join(",")}>`);
    return this.#key;
  }
}

/** Collects members of an object; a key that is set again takes the new value. */
export class ObjectBuilder {
  readonly #members = new BuiltMembers();

  get size(): number {
    return this.#members.size;
  }

  has(member: Value): boolean {
    return this.#members.get(member) !== undefined;
  }

  get(member: Value): Value | undefined {
    return this.#members.get(member);
  }

  set(member: Value, value: Value): this {
    this.#members.set(member, value);
    return this;
  }

  /** Hands the members over; the builder must not be used afterwards. @throws BudgetError */
  build(): RObject {
    return this.#members.size === 0 ? EMPTY_OBJECT : new RObject(this.#members);
  }
}

/** Collects members of a set. */
export class SetBuilder {
  readonly #scalars = new Set<Scalar>();
  #composites: Map<string, Composite> | undefined;

  get size(): number {
    return this.#scalars.size + (this.#composites?.size ?? 0);
  }

  has(value: Value): boolean {
    if (typeof value !== "object" || value === null) return this.#scalars.has(value);
    return this.#composites?.has(value.key()) ?? false;
  }

  add(value: Value): this {
    if (typeof value !== "object" || value === null) {
      this.#scalars.add(value);
      return this;
    }
    this.#composites ??= new Map();
    const name = value.key();
    if (!this.#composites.has(name)) this.#composites.set(name, value);
    return this;
  }

  /** Hands the members over; the builder must not be used afterwards. @throws BudgetError */
  build(): RSet {
    return this.size === 0 ? EMPTY_SET : new RSet(this.#scalars, this.#composites);
  }
}

/** Longest key that is kept as it is. */
const MAX_PLAIN_KEY = 512;

/**
 * A key that does not grow with its value: many values may share one large part, and each would copy its key. A
 * long key becomes its SHA-256 digest, taken over UTF-16 so that no two strings look alike.
 */
function shortKey(text: string): string {
  if (text.length <= MAX_PLAIN_KEY) return text;
  return `@${createHash("sha256").update(Buffer.from(text, "utf16le")).digest("base64")}`;
}

/** JSON that is not yet a value, with its distance from the top of its document. */
interface Wrapped<T> {
  readonly json: T;
  readonly level: number;
}

/** What an object needs of the store behind it. */
interface Members {
  readonly lazy: boolean;
  readonly size: number;
  get(member: Value): Value | undefined;
  keys(): Iterable<Value>;
  shape(): Shape;
}

/** Members that a policy built. */
class BuiltMembers implements Members {
  readonly lazy = false;
  readonly #scalars = new Map<Scalar, Value>();
  #composites: Map<string, [Composite, Value]> | undefined;

  get size(): number {
    return this.#scalars.size + (this.#composites?.size ?? 0);
  }

  get(member: Value): Value | undefined {
    if (typeof member !== "object" || member === null) return this.#scalars.get(member);
    return this.#composites?.get(member.key())?.[1];
  }

  set(member: Value, value: Value): void {
    if (typeof member !== "object" || member === null) {
      this.#scalars.set(member, value);
      return;
    }
    this.#composites ??= new Map();
    this.#composites.set(member.key(), [member, value]);
  }

  *keys(): Iterable<Value> {
    yield* this.#scalars.keys();
    for (const [member] of this.#composites?.values() ?? []) yield member;
  }

  shape(): Shape {
    const measure = new Measure();
    for (const [member, value] of this.#scalars) {
      measure.add(member);
      measure.add(value);
    }
    for (const [member, value] of this.#composites?.values() ?? []) {
      measure.add(member);
      measure.add(value);
    }
    return measure.done();
  }
}

/** Members of a JSON document, wrapped one by one as they are read. */
class JsonMembers implements Members {
  readonly lazy = true;
  readonly #json: JsonRecord;
  readonly #level: number;
  #names: readonly string[] | undefined;
  #wrapped: Map<string, Value> | undefined;

  constructor(json: JsonRecord, level: number) {
    this.#json = json;
    this.#level = level;
  }

  get size(): number {
    return this.#ownNames().length;
  }

  get(member: Value): Value | undefined {
    // Only own members exist: `constructor` or `toString` of the prototype are not data.
    if (typeof member !== "string" || !Object.hasOwn(this.#json, member)) return undefined;
    const json = this.#json[member];
    if (typeof json !== "object" || json === null)
      return json === undefined ? undefined : scalarFromJson(json);
    const known = this.#wrapped?.get(member);
    if (known !== undefined) return known;
    const value = wrapJson(json, this.#level + 1);
    this.#wrapped ??= new Map();
    this.#wrapped.set(member, value);
    return value;
  }

  keys(): Iterable<Value> {
    return this.#ownNames();
  }

  shape(): Shape {
    return shapeOfJson(this.#json, this.#level);
  }

  #ownNames(): readonly string[] {
    this.#names ??= Object.keys(this.#json).filter((name) => this.#json[name] !== undefined);
    return this.#names;
  }
}

type JsonRecord = Readonly<Record<string, unknown>>;

/**
 * A JSON document (objects, arrays, strings, booleans, null, numbers and `bigint`) as a value, without
 * converting it. Anything JSON does not have counts as null, as in `JSON.stringify` of an array.
 *
 * @param level - nesting above this document
 * @throws BudgetError when reading goes deeper than `MAX_VALUE_DEPTH`
 */
export function wrapJson(json: unknown, level = 0): Value {
  if (typeof json !== "object" || json === null) return scalarFromJson(json);
  if (level >= MAX_VALUE_DEPTH) throw new BudgetError("valueDepth");
  if (Array.isArray(json)) return RArray.wrap({ json, level });
  // The members of a JSON object are reached through `Object.hasOwn` only, whatever else the object is.
  return new RObject(new JsonMembers(json as JsonRecord, level));
}

function scalarFromJson(json: unknown): Scalar {
  switch (typeof json) {
    case "string":
      return toWellFormed(json);
    case "boolean":
      return json;
    case "number":
    case "bigint":
      return numberFromJs(json);
    default:
      return null;
  }
}

const EMPTY_ARRAY = new RArray([]);
const EMPTY_OBJECT = new RObject(new BuiltMembers());
const EMPTY_SET = new RSet(new Set(), undefined);
