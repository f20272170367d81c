/** Inputs and the base document that generated modules read. */
import type { Random } from "./random.ts";

/** Where a module finds what, and of which type it usually is. */
export const INPUT_FIELDS = {
  num: ["input.n", "input.m", "input.big", "input.nested.deep.n"],
  str: ["input.s", "input.t", "input.nested.name"],
  bool: ["input.flag", "input.nested.deep.on"],
  numbers: ["input.numbers", "input.nested.list"],
  strings: ["input.strings", "input.tags"],
  map: ["input.map", "input.nested.deep"],
  items: ["input.items", "data.base.items"],
} as const;

export const WORDS = ["", "a", "b", "ab", "abc", "A-b", "x.y", "ä", "𝄞", "10", "-2.5", "a/b", " a ", "true"];
export const KEYS = ["a", "b", "c", "id", "n", "x-y"];

/** Dyadic fractions only: both engines compute with them exactly. */
const INTEGERS = [0, 1, 2, 3, -1, -7, 10, 255, 4096];
const FRACTIONS = [...INTEGERS, 0.5, 1.25, -2.75];
const BIG = [2 ** 53 - 1, 9007199254740993n, -(2n ** 64n), 18446744073709551615n, 12];

/** Loaded once into both engines as `data.base`. */
export const BASE: Readonly<Record<string, unknown>> = {
  limit: 3,
  name: "base",
  on: true,
  off: false,
  nothing: null,
  numbers: [3, 1, 2, 3, 7],
  names: ["b", "a", "ab", "ä"],
  map: { a: 1, b: 2, "x-y": 3 },
  deep: { a: { b: { c: [1, [2, 3], { d: 4 }] } } },
  items: [
    { id: "a", n: 1, tags: ["x", "y"], ok: true },
    { id: "b", n: 2, tags: [], ok: false },
    { id: "c", n: 2, tags: ["y"] },
  ],
};

/**
 * A JSON document; fields are now and then missing, null or of another type.
 *
 * @param big - whether to use integers beyond 2^53 instead of fractions
 */
export function makeInput(random: Random, big: boolean): Readonly<Record<string, unknown>> {
  const NUMBERS = big ? INTEGERS : FRACTIONS;
  const fields: Record<string, () => unknown> = {
    n: () => random.pick(NUMBERS),
    m: () => random.pick(NUMBERS),
    big: () => random.pick(big ? BIG : FRACTIONS),
    s: () => random.pick(WORDS),
    t: () => random.pick(WORDS),
    flag: () => random.chance(0.6),
    numbers: () => random.many(0, 4, () => random.pick(NUMBERS)),
    strings: () => random.many(0, 4, () => random.pick(WORDS)),
    tags: () => random.many(0, 3, () => random.pick(KEYS)),
    map: () => makeMap(random, NUMBERS),
    items: () => random.many(0, 4, () => makeItem(random, NUMBERS)),
    nested: () => ({
      name: random.pick(WORDS),
      list: random.many(0, 3, () => random.pick(NUMBERS)),
      deep: { n: random.pick(NUMBERS), on: random.chance(0.5), ...makeMap(random, NUMBERS) },
    }),
  };
  const input: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(fields)) {
    if (!random.chance(0.08)) input[name] = random.chance(0.08) ? makeAnything(random, 2, big) : make();
  }
  return input;
}

function makeMap(random: Random, numbers: readonly number[]): Record<string, unknown> {
  return Object.fromEntries(random.many(0, 4, () => [random.pick(KEYS), random.pick(numbers)]));
}

function makeItem(random: Random, numbers: readonly number[]): unknown {
  const item: Record<string, unknown> = {};
  if (random.chance(0.9)) item["id"] = random.pick(KEYS);
  if (random.chance(0.9)) item["n"] = random.pick(numbers);
  if (random.chance(0.7)) item["tags"] = random.many(0, 3, () => random.pick(KEYS));
  if (random.chance(0.5)) item["ok"] = random.chance(0.5);
  return item;
}

function makeAnything(random: Random, depth: number, big: boolean): unknown {
  const scalar = random.pick([null, true, false, 7, big ? -1 : -0.5, "odd", ""]);
  if (depth === 0 || random.chance(0.5)) return scalar;
  if (random.chance(0.5)) return random.many(0, 3, () => makeAnything(random, depth - 1, big));
  return Object.fromEntries(
    random.many(0, 3, () => [random.pick(KEYS), makeAnything(random, depth - 1, big)]),
  );
}
