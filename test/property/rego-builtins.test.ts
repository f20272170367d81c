import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { BUILTINS, type Builtin, FORBIDDEN } from "../../src/policy/rego/builtins/index.ts";
import type { TypeSpec } from "../../src/policy/rego/builtins/types.ts";
import { ObjectBuilder, RArray, RSet } from "../../src/policy/rego/collections.ts";
import { equal } from "../../src/policy/rego/compare.ts";
import { BudgetError, BuiltinError } from "../../src/policy/rego/errors.ts";
import { typeName, type Value } from "../../src/policy/rego/value.ts";
import { isNormal, numbers, texts, values } from "../support/rego-arbitraries.ts";
import { context } from "../support/rego-builtins.ts";

/** Values of a type, as the table of signatures describes it. */
function ofType(spec: TypeSpec): fc.Arbitrary<Value> {
  if (spec === "any") return values;
  if (spec === "null") return fc.constant(null);
  if (spec === "boolean") return fc.boolean();
  if (spec === "number") return numbers;
  if (spec === "string") return texts;
  if ("array" in spec) return fc.array(ofType(spec.array), { maxLength: 5 }).map((items) => RArray.of(items));
  if ("set" in spec) return fc.array(ofType(spec.set), { maxLength: 5 }).map((items) => RSet.of(items));
  if ("tuple" in spec) return fc.tuple(...spec.tuple.map(ofType)).map((items) => RArray.of(items));
  if ("anyOf" in spec) return fc.oneof(...spec.anyOf.map(ofType));
  const members = fc.array(fc.tuple(ofType(spec.object.key), ofType(spec.object.value)), { maxLength: 5 });
  return members.map((pairs) => {
    const builder = new ObjectBuilder();
    for (const [name, member] of pairs) builder.set(name, member);
    return builder.build();
  });
}

/** Whether a value is of a type. */
function fits(value: Value, spec: TypeSpec): boolean {
  if (typeof spec === "string") return spec === "any" || typeName(value) === spec;
  if ("anyOf" in spec) return spec.anyOf.some((option) => fits(value, option));
  if (typeof value !== "object" || value === null) return false;
  if ("array" in spec) return value.kind === "array" && value.items.every((item) => fits(item, spec.array));
  if ("set" in spec) return value.kind === "set" && value.members().every((item) => fits(item, spec.set));
  if ("tuple" in spec)
    return (
      value.kind === "array" &&
      value.length === spec.tuple.length &&
      value.items.every((item, at) => fits(item, spec.tuple[at] ?? "any"))
    );
  return (
    value.kind === "object" &&
    value.entries().every(([name, member]) => fits(name, spec.object.key) && fits(member, spec.object.value))
  );
}

/** Small budgets keep a run short; exceeding one is an allowed answer. */
function attempt(builtin: Builtin, args: readonly Value[]): Value | undefined | BudgetError | BuiltinError {
  try {
    return builtin.impl(args, context({ steps: 200_000, cells: 20_000, stringBytes: 400_000 }));
  } catch (error) {
    if (error instanceof BudgetError || error instanceof BuiltinError) return error;
    throw error;
  }
}

function check(builtin: Builtin, args: readonly Value[]): void {
  const answer = attempt(builtin, args);
  if (answer instanceof BuiltinError) expect(answer.message.startsWith(`${builtin.name}: `)).toBe(true);
  if (answer === undefined || answer instanceof Error) return;
  expect(isNormal(answer)).toBe(true);
  if (builtin.relation !== true) expect(fits(answer, builtin.result)).toBe(true);
  if (!builtin.deterministic) return;
  const again = attempt(builtin, args);
  expect(again !== undefined && !(again instanceof Error) && equal(answer, again)).toBe(true);
}

describe.each([...BUILTINS.values()].map((builtin) => [builtin.name, builtin] as const))(
  "%s",
  (_, builtin) => {
    test("fails in no way but its own on operands of its types, and answers with its result type", () => {
      fc.assert(
        fc.property(fc.tuple(...builtin.args.map(ofType)), (args) => check(builtin, args)),
        { numRuns: 60 },
      );
    });

    test("fails in no way but its own on any operands", () => {
      const any = fc.array(values, { minLength: builtin.arity, maxLength: builtin.arity });
      fc.assert(
        fc.property(any, (args) => check(builtin, args)),
        { numRuns: 60 },
      );
    });
  },
);

test("no refused name is callable", () => {
  for (const name of FORBIDDEN.keys()) expect(BUILTINS.has(name)).toBe(false);
});
