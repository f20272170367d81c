import fc from "fast-check";
import { ObjectBuilder, RArray, RSet } from "../../src/policy/rego/collections.ts";
import { fromBigInt, fromDouble, type Num } from "../../src/policy/rego/numbers.ts";
import type { Scalar, Value } from "../../src/policy/rego/value.ts";

/** Numbers of both representations, with the edges between them. */
export const numbers: fc.Arbitrary<Num> = fc.oneof(
  fc.integer({ min: -5, max: 300 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 }).map(fromDouble),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(fromBigInt),
  fc.constantFrom(
    ...[2 ** 53 - 1, -(2 ** 53) + 1].map(fromDouble),
    fromBigInt(2n ** 53n),
    fromBigInt(2n ** 63n),
  ),
);

/** Short texts, many of them with a meaning to some built-in. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.string({ unit: "binary", maxLength: 4 }),
  fc.constantFrom(
    "",
    "a.b.c",
    "%v %d %[2]q %-08.3f",
    "10.0.0.0/8",
    "::1/128",
    "1.2.3-rc.1+x",
    "2024-02-29T12:00:00.5+01:00",
    "[a-z]+(x|y)*",
    "{a,[!b-c]}**",
    '{"a": [1, 2.5e3]}',
    "eyJhbGciOiJub25lIn0.e30.",
    "1h5m",
    "10Ki",
    "YWJj",
    "a=1&b=%20",
    "RFC1123",
    "Europe/Berlin",
    "a: [1, *x]",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "/a/0/-",
  ),
);

const scalars: fc.Arbitrary<Scalar> = fc.oneof(fc.constant(null), fc.boolean(), numbers, texts);

/** Any values, a few levels deep. */
export const values: fc.Arbitrary<Value> = fc.letrec<{ any: Value }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalars,
    fc.array(tie("any"), { maxLength: 4 }).map((items) => RArray.of(items)),
    fc.array(tie("any"), { maxLength: 4 }).map((items) => RSet.of(items)),
    fc
      .array(fc.tuple(fc.oneof({ weight: 4, arbitrary: texts }, tie("any")), tie("any")), { maxLength: 4 })
      .map((pairs) => {
        const builder = new ObjectBuilder();
        for (const [name, member] of pairs) builder.set(name, member);
        return builder.build();
      }),
  ),
})).any;

/** Whether a value and everything in it has the one representation that `value.ts` prescribes. */
export function isNormal(value: Value): boolean {
  if (typeof value === "bigint") return !Number.isSafeInteger(Number(value));
  if (typeof value === "number")
    return (
      Number.isFinite(value) &&
      !Object.is(value, -0) &&
      (!Number.isInteger(value) || Number.isSafeInteger(value))
    );
  if (typeof value !== "object" || value === null) return true;
  if (value.kind === "object")
    return value.entries().every(([name, member]) => isNormal(name) && isNormal(member));
  return [...value].every(isNormal);
}
