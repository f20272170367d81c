import type { Composite, RArray, RObject, RSet, Value } from "./value.ts";

/** Result of an ordering: before, same, after. */
export type Ordering = -1 | 0 | 1;

/**
 * The total order of Rego: null < booleans < numbers < strings < arrays < objects < sets. It is defined
 * between any two values and never fails.
 */
export function compare(a: Value, b: Value): Ordering {
  if (a === b) return 0;
  const rankA = rank(a);
  const rankB = rank(b);
  if (rankA !== rankB) return rankA < rankB ? -1 : 1;
  if (typeof a === "string") return compareText(a, String(b));
  if (typeof a !== "object" || a === null) return lessScalar(a, b) ? -1 : 1;
  return compareComposites(a, b);
}

/** Booleans and numbers: JS orders `false` before `true`, and numbers against bigints exactly. */
function lessScalar(a: Value, b: Value): boolean {
  return (a ?? 0) < (b ?? 0);
}

function compareComposites(a: Composite, b: Value): Ordering {
  if (typeof b !== "object" || b === null) return -1;
  if (a.kind === "array" && b.kind === "array") return compareLists(a.items, b.items);
  if (a.kind === "set" && b.kind === "set") return compareLists(a.members(), b.members());
  if (a.kind === "object" && b.kind === "object") return compareObjects(a, b);
  return -1;
}

/** Whether two values are the same value. Much cheaper than `compare` on different composites. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a.kind === "array") return b.kind === "array" && equalArrays(a, b);
  if (a.kind === "object") return b.kind === "object" && equalObjects(a, b);
  return b.kind === "set" && equalSets(a, b);
}

/**
 * A string that is the same for equal values and different for all others. Composites cache theirs. Text
 * carries its length, so no content can imitate structure.
 */
export function key(value: Value): string {
  switch (typeof value) {
    case "string":
      return `s${value.length}:${value}`;
    case "number":
    case "bigint":
      return `#${value}`;
    case "boolean":
      return value ? "t" : "f";
    default:
      return value === null ? "n" : value.key();
  }
}

function rank(value: Value): number {
  switch (typeof value) {
    case "boolean":
      return 1;
    case "number":
    case "bigint":
      return 2;
    case "string":
      return 3;
    default:
      return value === null ? 0 : RANKS[value.kind];
  }
}

const RANKS = { array: 4, object: 5, set: 6 } as const;

/** Order by code point, which is also the order of the UTF-8 bytes. `<` would order by UTF-16 code unit. */
export function compareText(a: string, b: string): Ordering {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const unitA = a.charCodeAt(at);
    const unitB = b.charCodeAt(at);
    if (unitA !== unitB) return codePointRank(unitA) < codePointRank(unitB) ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

/** Moves surrogates behind U+E000–U+FFFF, where the code points that they spell belong. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

function compareLists(a: readonly Value[], b: readonly Value[]): Ordering {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const order = compare(itemAt(a, at), itemAt(b, at));
    if (order !== 0) return order;
  }
  return lengths(a.length, b.length);
}

function compareObjects(a: RObject, b: RObject): Ordering {
  const keysA = a.keys();
  const keysB = b.keys();
  const length = Math.min(keysA.length, keysB.length);
  for (let at = 0; at < length; at++) {
    const keyA = itemAt(keysA, at);
    const order = compare(keyA, itemAt(keysB, at)) || compare(a.get(keyA) ?? null, b.get(keyA) ?? null);
    if (order !== 0) return order;
  }
  return lengths(keysA.length, keysB.length);
}

function itemAt(list: readonly Value[], at: number): Value {
  return list[at] ?? null;
}

function lengths(a: number, b: number): Ordering {
  return a === b ? 0 : a < b ? -1 : 1;
}

function equalArrays(a: RArray, b: RArray): boolean {
  if (a.length !== b.length) return false;
  const other = b.items;
  return a.items.every((item, at) => equal(item, itemAt(other, at)));
}

function equalObjects(a: RObject, b: RObject): boolean {
  if (a.size !== b.size) return false;
  for (const member of a.unorderedKeys()) {
    const value = a.get(member);
    const other = b.get(member);
    if (value === undefined || other === undefined || !equal(value, other)) return false;
  }
  return true;
}

function equalSets(a: RSet, b: RSet): boolean {
  if (a.size !== b.size) return false;
  for (const member of a.unordered()) if (!b.has(member)) return false;
  return true;
}
