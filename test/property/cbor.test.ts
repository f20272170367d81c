import { expect, test } from "@jest/globals";
import { encode, Tag } from "cbor2";
import fc from "fast-check";
import {
  CborError,
  CborTag,
  type CborValue,
  decodeCbor,
  decodeCborSequence,
  encodeCbor,
} from "../../src/crypto/cbor.ts";
import { CoseError, parseCoseSign1 } from "../../src/crypto/cose-sign1.ts";

/** Text with a lone surrogate has no UTF-8 form. */
const isWellFormed = (text: string) => !/\p{Surrogate}/u.test(text);
const integer = fc
  .bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n })
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
const scalar: fc.Arbitrary<CborValue> = fc.oneof(
  integer,
  fc.string({ unit: "binary" }).filter(isWellFormed),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.boolean(),
  fc.constant(null),
  fc
    .double({ noDefaultInfinity: true, noNaN: true })
    .map((value) => (Number.isInteger(value) ? value + 0.5 : value)),
);
const key = fc.oneof(fc.string({ maxLength: 8 }).filter(isWellFormed), integer);

/** Every kind of value, nested within each other. */
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc
      .tuple(fc.integer({ min: 64, max: 100_000 }), tie("value"))
      .map(([tag, item]) => new CborTag(tag, item)),
  ),
}));

test("print and parse are inverse, and print has one form for one value", () => {
  fc.assert(
    fc.property(value, (item) => {
      const bytes = encodeCbor(item);
      const read = decodeCbor(bytes);
      expect(encodeCbor(read).equals(bytes)).toBe(true);
      expect(read).toEqual(item);
    }),
  );
});

test("print gives what the library gives for deterministic encoding", () => {
  fc.assert(
    fc.property(fc.oneof(value, fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), fc.double()), (item) => {
      expect(encodeCbor(item).toString("hex")).toBe(
        Buffer.from(encode(ofLibrary(item), { cde: true })).toString("hex"),
      );
    }),
    { numRuns: 500 },
  );
});

/** The library knows other classes. */
function ofLibrary(item: CborValue): unknown {
  if (item instanceof CborTag) return new Tag(item.tag, ofLibrary(item.value));
  if (item instanceof Uint8Array) return Uint8Array.from(item);
  if (Array.isArray(item)) return item.map(ofLibrary);
  if (item instanceof Map) return new Map(Array.from(item, ([name, each]) => [name, ofLibrary(each)]));
  return item;
}

test("B29 B30 no input makes the parsers fail in another way than they say", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, allowIndefinite) => {
      for (const parse of [decodeCbor, decodeCborSequence, parseCoseSign1]) {
        try {
          parse(bytes, { allowIndefinite });
        } catch (error) {
          expect(error instanceof CborError || error instanceof CoseError).toBe(true);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test("B29 what is read is no larger than what was sent allows", () => {
  fc.assert(
    fc.property(value, fc.nat(), fc.nat(255), (item, at, byte) => {
      const bytes = encodeCbor(item);
      bytes[at % bytes.length] = byte;
      try {
        expect(encodeCbor(decodeCbor(bytes)).length).toBeLessThanOrEqual(bytes.length + 16);
      } catch (error) {
        if (!(error instanceof CborError)) throw error;
      }
    }),
  );
});
