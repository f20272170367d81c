import type { JsonValue } from "../json/value.ts";
import { isArray, isObject } from "../json/write.ts";
import type { ReferenceValueShape, ReferenceValueUse } from "./policy-engine.ts";
import type { PolicySnapshot } from "./stored-policies.ts";

/** A place in a policy where a reference value is used. */
export interface PlacedUse extends ReferenceValueUse {
  readonly policy: string;
}

/** Most remarks about one registration. */
const MAX_REMARKS = 50;
/** Names that one remark lists. */
const MAX_NAMES = 3;

/** Where the policies in force use reference values, by name. */
export function referenceValueUses(
  policies: readonly PolicySnapshot[],
): ReadonlyMap<string, readonly PlacedUse[]> {
  const places = new Map<string, PlacedUse[]>();
  for (const { name: policy, compiled } of policies)
    for (const use of compiled?.referenceValues?.uses ?? []) {
      const known = places.get(use.name) ?? [];
      known.push({ ...use, policy });
      places.set(use.name, known);
    }
  return places;
}

/** What a person should know about values before policies ask for them; each a sentence. */
export interface ValueAdvice {
  /** Shapes that the policies in force cannot use, which would look like a measurement that does not match. */
  readonly unusable: readonly string[];
  /** Names that no policy asks for, in one sentence; empty without any. */
  readonly unused: readonly string[];
}

export function adviseOnValues(
  policies: readonly PolicySnapshot[],
  values: ReadonlyMap<string, JsonValue>,
): ValueAdvice {
  const places = referenceValueUses(policies);
  const unusable = Array.from(values).flatMap(([name, value]) =>
    misfits(name, value, places.get(name) ?? []),
  );
  // Of a policy that computes the names it asks for, nobody can say that it does not ask for this one.
  const computed = policies.some(({ compiled }) => compiled?.referenceValues?.computed !== false);
  const unused = computed ? [] : [...values.keys()].filter((name) => !places.has(name));
  const more = unusable.length - MAX_REMARKS;
  return {
    unusable: more <= 0 ? unusable : [...unusable.slice(0, MAX_REMARKS), `and ${more} more`],
    unused: unused.length === 0 ? [] : [`no policy asks for ${listed(unused)}`],
  };
}

function misfits(name: string, value: JsonValue, uses: readonly PlacedUse[]): readonly string[] {
  return [...new Set(uses.map(({ policy }) => policy))].flatMap((policy) => {
    const wrong = misfit(
      uses.filter((use) => use.policy === policy),
      value,
    );
    return wrong === undefined ? [] : [wrongShape(name, value, wrong)];
  });
}

function listed(names: readonly string[]): string {
  const shownNames = names.slice(0, MAX_NAMES).map(shown).join(", ");
  return names.length > MAX_NAMES ? `${shownNames} and ${names.length - MAX_NAMES} more` : shownNames;
}

/** A use that the value does not fit, unless another one of the same policy takes it: a policy may look first. */
function misfit(uses: readonly PlacedUse[], value: JsonValue): PlacedUse | undefined {
  const particular = uses.filter(({ shape }) => shape !== "any");
  return particular.some(({ shape }) => fits(shape, value)) ? undefined : particular[0];
}

function wrongShape(name: string, value: JsonValue, { policy, row, shape }: PlacedUse): string {
  return `${shown(name)} is ${kindOf(value)}, but ${policy} (line ${row}) ${NEEDS[shape]}, so it will never match there`;
}

const NEEDS: Readonly<Record<ReferenceValueShape, string>> = {
  collection: "looks for something in it: register a list, of one element if need be",
  single: "compares it with one value: register the value itself, not a list",
  number: "compares it by order: register a number",
  boolean: "needs true or false",
  string: "needs text",
  object: "takes members out of it: register an object",
  any: "uses it",
};

function fits(shape: ReferenceValueShape, value: JsonValue): boolean {
  switch (shape) {
    case "collection":
      return isArray(value) || isObject(value);
    case "single":
      return !isArray(value) && value !== null;
    case "number":
      return typeof value === "number" || typeof value === "bigint";
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
    case "object":
      return isObject(value);
    case "any":
      return true;
  }
}

function kindOf(value: JsonValue): string {
  if (isArray(value)) return "a list";
  if (value === null) return "null";
  return typeof value === "object"
    ? "an object"
    : `a single ${typeof value === "bigint" ? "number" : typeof value}`;
}

function shown(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
