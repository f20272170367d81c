/**
 * Modules over the whole core language, made from a number. They are meant to compile; a few do not, and then no
 * engine may accept them.
 */
import { nested } from "./bodies.ts";
import { makeInput } from "./documents.ts";
import { Random } from "./random.ts";
import { rule } from "./rules.ts";
import { World } from "./scope.ts";

export { BASE } from "./documents.ts";
export { Random } from "./random.ts";

/** Every generated module is of this package. */
export const PACKAGE = "gen";

export interface GeneratedCase {
  readonly seed: number;
  readonly text: string;
  /** Names of rules below the package that can be asked for. */
  readonly rules: readonly string[];
  /** `undefined` stands for an evaluation without input. */
  readonly inputs: readonly (Readonly<Record<string, unknown>> | undefined)[];
}

/** @param seed - the same number gives the same module and inputs */
export function generateCase(seed: number): GeneratedCase {
  const random = new Random(seed);
  const world = new World(random);
  world.nestedBody = nested;
  const definitions = random.many(3, 8, () => rule(world)).flat();
  const inputs = random.many(2, 2, () => makeInput(random, world.hasBigIntegers));
  return {
    seed,
    text: withoutUnused([`package ${PACKAGE}`, ...random.shuffled(definitions)].join("\n\n").concat("\n")),
    rules: [...new Set(world.rules.map(({ name }) => name))],
    inputs: random.chance(0.1) ? [...inputs, undefined] : inputs,
  };
}

/** Every variable has a name of its own, so one that occurs once is not used; OPA refuses some of those. */
function withoutUnused(text: string): string {
  const uses = new Map<string, number>();
  for (const [name] of text.matchAll(VARIABLE)) uses.set(name, (uses.get(name) ?? 0) + 1);
  return text.replace(VARIABLE, (name) => (uses.get(name) === 1 ? "_" : name));
}

const VARIABLE = /\bv\d+\b/g;
