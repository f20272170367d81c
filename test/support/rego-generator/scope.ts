/** What the generator knows about names while it writes a module. */
import type { Random } from "./random.ts";

/** Types, so that most modules pass a static type check; `any` is what documents hold. */
export type Type = "num" | "str" | "bool" | "any" | Collection;
export interface Collection {
  readonly kind: "arr" | "set" | "obj";
  readonly of: Type;
}

export const arr = (of: Type): Collection => ({ kind: "arr", of });
export const set = (of: Type): Collection => ({ kind: "set", of });
/** Objects have text keys here; `of` is the type of the members. */
export const obj = (of: Type): Collection => ({ kind: "obj", of });

export const SCALARS: readonly Type[] = ["num", "str", "bool"];

/** Whether a value of type `have` may stand where `want` is asked for. */
export function fits(have: Type, want: Type): boolean {
  if (want === "any" || have === want) return true;
  if (typeof have === "string" || typeof want === "string") return false;
  return have.kind === want.kind && fits(have.of, want.of);
}

export function scalarType(random: Random): Type {
  return random.pick(SCALARS);
}

export function anyType(random: Random): Type {
  const of = random.weighted<Type>([
    [3, "num"],
    [3, "str"],
    [1, "any"],
  ]);
  return random.weighted<Type>([
    [4, "num"],
    [3, "str"],
    [2, "bool"],
    [2, arr(of)],
    [2, set(of)],
    [2, obj(of)],
  ]);
}

/** A rule that later rules may use. */
export interface KnownRule {
  readonly name: string;
  readonly type: Type;
  /** Whether other rules may refer to it. */
  readonly visible: boolean;
}
export interface KnownFunction {
  readonly name: string;
  readonly parameters: readonly Type[];
  readonly result: Type;
}

/** Names of one module. Rules only use rules written before them, so nothing is recursive by accident. */
export class World {
  readonly random: Random;
  /**
   * Whether numbers are integers beyond 2^53 now and then, or fractions: never both, for then OPA's fractions of 64
   * bits and our doubles cannot agree.
   */
  readonly hasBigIntegers: boolean;
  /** Literals of a nested body, all of whose new names it binds in `scope`. Set by `bodies.ts`. */
  nestedBody: (scope: Scope, depth: number) => string = () => "true";
  readonly rules: KnownRule[] = [];
  readonly functions: KnownFunction[] = [];
  #fresh = 0;

  constructor(random: Random) {
    this.random = random;
    this.hasBigIntegers = random.chance(0.4);
  }

  get visibleRules(): readonly KnownRule[] {
    return this.rules.filter(({ visible }) => visible);
  }

  fresh(prefix: string): string {
    this.#fresh += 1;
    return `${prefix}${this.#fresh}`;
  }
}

/** Variables that are bound at a point of a body. Inner scopes see outer ones. */
export class Scope {
  readonly world: World;
  readonly #vars: (readonly [name: string, type: Type])[];

  constructor(world: World, vars: readonly (readonly [string, Type])[] = []) {
    this.world = world;
    this.#vars = [...vars];
  }

  get random(): Random {
    return this.world.random;
  }

  bind(name: string, type: Type): void {
    this.#vars.push([name, type]);
  }

  /** A new variable, bound from here on. */
  declare(type: Type): string {
    const name = this.world.fresh("v");
    this.bind(name, type);
    return name;
  }

  inner(): Scope {
    return new Scope(this.world, this.#vars);
  }

  ofType(want: Type): string[] {
    return this.#vars.filter(([, type]) => fits(type, want)).map(([name]) => name);
  }

  collections(): (readonly [name: string, type: Collection])[] {
    return this.#vars.flatMap(([name, type]) => (typeof type === "string" ? [] : [[name, type] as const]));
  }
}
