import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { ReferenceValues } from "../../src/attestation/reference-values/reference-values.ts";
import { TrustedSigners } from "../../src/attestation/reference-values/signers.ts";
import { type CborKey, CborTag, type CborValue, encodeCbor } from "../../src/crypto/cbor.ts";
import { KbsError } from "../../src/errors.ts";
import type { JsonValue } from "../../src/json/value.ts";
import { MemoryDocumentStore } from "../../src/storage/memory-documents.ts";
import {
  comid,
  corim,
  ecKeys,
  envelope,
  messageOf,
  sampleMessage,
  signedCorim,
  signer,
  statement,
  swid,
} from "../support/manifests.ts";

/** Whatever a message holds: it is registered as a whole, or it is refused by name and nothing of it is stored. */

const SIGNAL = new AbortController().signal;
const ALICE = { administrator: "alice" };
const NOW = Date.UTC(2026, 5, 1);
const acme = ecKeys();
const now = () => NOW;

async function outcomeOf(message: JsonValue): Promise<Readonly<Record<string, JsonValue>> | "refused"> {
  const store = new MemoryDocumentStore();
  const signers = new TrustedSigners([signer(acme, { names: ["*"] })], now);
  const values = await ReferenceValues.open({ store, now, reportFault: () => undefined, signers }, SIGNAL);
  try {
    const { names } = await values.register(message, ALICE, SIGNAL);
    expect(values.list().map(({ name }) => name)).toEqual([...names].sort());
    expect(names.length).toBeGreaterThan(0);
    return Object.fromEntries(values.list().map(({ name, value }) => [name, value]));
  } catch (error) {
    if (!(error instanceof KbsError)) throw error;
    expect(["reference-value-invalid", "manifest-untrusted"]).toContain(error.code);
    expect(error.extra?.["fault"]).toMatch(/^[a-z-]+$/);
    expect(error.detail).toMatch(/^Reference values? refused: .*\.$/s);
    for await (const document of store.list(SIGNAL)) throw new Error(`${document.name} was stored`);
    return "refused";
  }
}

const json = fc.jsonValue({ maxDepth: 4 }).map((value) => value as JsonValue);
const types = fc.constantFrom("sample", "swid", "corim", "in-toto");

const cbor: fc.Arbitrary<CborValue> = fc.letrec<{ item: CborValue }>((tie) => ({
  item: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.integer({ min: -10, max: 600 }) as fc.Arbitrary<CborValue>,
    fc.string({ maxLength: 8 }),
    fc.uint8Array({ maxLength: 64 }),
    fc.constantFrom<CborValue>(null, true, false),
    fc.array(tie("item"), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer({ min: 0, max: 15 }), fc.string({ maxLength: 3 })), tie("item")), {
        maxLength: 5,
      })
      .map((entries) => new Map<CborKey, CborValue>(entries)),
    fc
      .tuple(fc.constantFrom(1, 18, 37, 500, 501, 502, 505, 506, 560, 563), tie("item"))
      .map(([tag, item]) => new CborTag(tag, item)),
  ),
})).item;

/** Good manifests of every kind, to be damaged. */
let good: ReadonlyMap<string, Buffer>;

beforeAll(() => {
  good = new Map([
    ["sample", Buffer.from('{"a":[1,"x"],"b":null}')],
    ["swid", Buffer.from(swid())],
    ["corim", signedCorim(corim(), acme.privateKey, { issuedAt: NOW - 1000, validUntil: NOW + 1_000_000 })],
    ["in-toto", Buffer.from(envelope(statement(), acme.privateKey))],
  ]);
});

const bytesOf = (type: string): Buffer => good.get(type) ?? Buffer.alloc(0);

describe("D12 any message is registered as a whole or refused by name", () => {
  test("the good ones are stored", async () => {
    for (const type of ["sample", "swid", "corim", "in-toto"])
      expect(await outcomeOf(messageOf(type, bytesOf(type)))).not.toBe("refused");
  });

  test("any JSON as message", async () => {
    await fc.assert(fc.asyncProperty(json, async (message) => void (await outcomeOf(message))));
  });

  test("any bytes as payload of any type", async () => {
    await fc.assert(
      fc.asyncProperty(types, fc.uint8Array({ maxLength: 300 }), async (type, payload) => {
        await outcomeOf(messageOf(type, payload));
      }),
    );
  });

  test("any JSON as payload of a sample, a statement or an envelope", async () => {
    await fc.assert(
      fc.asyncProperty(json, json, async (value, predicate) => {
        await outcomeOf(sampleMessage(value));
        await outcomeOf(messageOf("in-toto", envelope(statement({ predicate }), acme.privateKey)));
        const own = statement({ predicate: { issuedAt: "2026-05-31T00:00:00Z", values: value } });
        await outcomeOf(messageOf("in-toto", envelope(own, acme.privateKey)));
      }),
    );
  });

  test("any CBOR as CoRIM, as its tags, as a CoMID's triples", async () => {
    await fc.assert(
      fc.asyncProperty(cbor, async (item) => {
        await outcomeOf(messageOf("corim", encodeCbor(item)));
        await outcomeOf(messageOf("corim", corim({ tags: [item] })));
        await outcomeOf(messageOf("corim", corim({ tags: [comid(item)] })));
        await outcomeOf(messageOf("corim", corim({ measurements: [item] })));
        await outcomeOf(messageOf("corim", signedCorim(encodeCbor(item), acme.privateKey)));
      }),
      { numRuns: 300 },
    );
  });

  test("good payloads with a byte changed, cut off, or doubled", async () => {
    const damage = fc.tuple(
      types,
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom("change", "cut", "double"),
    );
    await fc.assert(
      fc.asyncProperty(damage, async ([type, where, byte, how]) => {
        const bytes = Buffer.from(bytesOf(type));
        const at = where % bytes.length;
        if (how === "change") bytes[at] = byte;
        const payload =
          how === "cut"
            ? bytes.subarray(0, at)
            : how === "double"
              ? Buffer.concat([bytes, bytes.subarray(at)])
              : bytes;
        await outcomeOf(messageOf(type, payload));
      }),
      { numRuns: 400 },
    );
  });

  test("no byte of a signed payload can be changed without notice", async () => {
    const damage = fc.tuple(fc.constantFrom("corim", "in-toto"), fc.nat(), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(damage, async ([type, where, mask]) => {
        const bytes = Buffer.from(bytesOf(type));
        const at = where % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        const outcome = await outcomeOf(messageOf(type, bytes));
        // The hint beside a signature and white space around it are not signed, and change no value.
        if (outcome !== "refused") expect(outcome).toEqual(await outcomeOf(messageOf(type, bytesOf(type))));
      }),
      { numRuns: 400 },
    );
  });
});
