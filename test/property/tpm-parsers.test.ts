import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { HclReportError, readHclReport } from "../../src/attestation/formats/azure-hcl/hcl-report.ts";
import {
  readVariableData,
  VariableDataError,
} from "../../src/attestation/formats/azure-hcl/variable-data.ts";
import { BANK_NAMES, BANKS } from "../../src/attestation/formats/tpm2/algorithms.ts";
import { readAttest } from "../../src/attestation/formats/tpm2/attest.ts";
import { CertificateChainError } from "../../src/attestation/formats/tpm2/certificate-chain.ts";
import { readCredentialFile } from "../../src/attestation/formats/tpm2/credential.ts";
import { Tpm2FormatError } from "../../src/attestation/formats/tpm2/cursor.ts";
import { verifyEndorsementCertificate } from "../../src/attestation/formats/tpm2/key-certificates.ts";
import { readKeylimeQuote, readPcrDump } from "../../src/attestation/formats/tpm2/keylime-quote.ts";
import { readSpki } from "../../src/attestation/formats/tpm2/keys.ts";
import { publicKeyOf, readPublicArea } from "../../src/attestation/formats/tpm2/public-area.ts";
import { readSignature } from "../../src/attestation/formats/tpm2/signature.ts";
import { EvidenceRejected } from "../../src/attestation/verifier.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { EXPECTED as AZURE_EXPECTED, type MadeAzure, makeAzure } from "../support/fake-azure/index.ts";
import { EXPECTED, type MadeQuote, makeQuote, NOW, tpmVerifier } from "../support/software-tpm/index.ts";
import { printAttest } from "../support/software-tpm/structures.ts";

const signal = new AbortController().signal;
let made: MadeQuote;
let snp: MadeAzure;
let tdx: MadeAzure;

beforeAll(async () => {
  made = await makeQuote({ ekCertificate: {} });
  snp = await makeAzure({ kind: "snp" });
  tdx = await makeAzure({ kind: "tdx" });
});

const bytes = (maxLength = 400) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
/** A good document with a piece cut out and another put in. */
const spliced = (good: () => Buffer) =>
  fc.tuple(fc.nat(), fc.nat(64), bytes(64)).map(([at, cut, put]) => {
    const from = at % good().length;
    return Buffer.concat([good().subarray(0, from), put, good().subarray(from + cut)]);
  });

/** Runs a parser; whatever it throws must be its own kind of error. */
function only(kind: new (...args: never[]) => Error, parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
  }
}

describe("B29 B30 no input crashes a parser of TPM structures", () => {
  const base64 = (name: string) => Buffer.from(String(made.evidence[name]), "base64");
  const PARSERS: Readonly<Record<string, readonly [good: () => Buffer, parse: (input: Buffer) => unknown]>> =
    {
      TPMS_ATTEST: [() => made.message, readAttest],
      TPMT_SIGNATURE: [() => made.signature, readSignature],
      TPMT_PUBLIC: [() => base64("ak_tpm2b_public"), (input) => publicKeyOf(readPublicArea(input))],
      SubjectPublicKeyInfo: [() => made.akPublic, readSpki],
      "PCR dump": [() => Buffer.alloc(132 + 4 + 532), readPcrDump],
      "credential file": [() => Buffer.from("badcc0de00000001000200000000", "hex"), readCredentialFile],
    };

  test.each(Object.entries(PARSERS))("%s", (_, [good, parse]) => {
    fc.assert(
      fc.property(fc.oneof(bytes(), spliced(good)), (input) => only(Tpm2FormatError, () => parse(input))),
      { numRuns: 2000 },
    );
  });

  test("Keylime quotes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^r[A-Za-z0-9+/=:]{0,80}$/)), (text) =>
        only(Tpm2FormatError, () => readKeylimeQuote(text)),
      ),
      { numRuns: 2000 },
    );
  });

  test("certificates of endorsement keys", () => {
    const leaf = () => Buffer.from(String((made.evidence["ek_cert"] as string[])[0]), "base64"); // made above
    fc.assert(
      fc.property(fc.oneof(bytes(), spliced(leaf)), (input) =>
        only(CertificateChainError, () =>
          verifyEndorsementCertificate([input], { pinned: [] }, { now: NOW }),
        ),
      ),
      { numRuns: 500 },
    );
  });

  test("the paravisor's report and its variable data", () => {
    for (const { parts } of [snp, tdx])
      fc.assert(
        fc.property(
          fc.oneof(
            bytes(2000),
            spliced(() => parts.hcl),
          ),
          (input) => {
            only(HclReportError, () => readHclReport(input, "snp"));
            only(VariableDataError, () => readVariableData(input));
          },
        ),
        { numRuns: 1000 },
      );
  });
});

describe("B29 B30 no evidence makes a verifier throw anything but a refusal", () => {
  /** A good document with one value, however deep, replaced by any other. */
  const mutated = (good: () => JsonValue) =>
    fc.tuple(fc.nat(), fc.jsonValue()).map(([at, value]) => {
      const places = placesOf(good());
      const place = places[at % places.length] ?? [];
      // fast-check calls the same plain JSON by another name.
      return replaceAt(good(), place, value as JsonValue);
    });

  test("tpm", async () => {
    const verifier = await tpmVerifier({}, made);
    await fc.assert(
      fc.asyncProperty(
        mutated(() => made.evidence),
        async (evidence) => {
          await verifier.verify(evidence, EXPECTED, signal).catch((error: unknown) => {
            if (!(error instanceof EvidenceRejected)) throw error;
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  test("az-snp-vtpm and az-tdx-vtpm", async () => {
    for (const { verifier, evidence } of [snp, tdx])
      await fc.assert(
        fc.asyncProperty(
          mutated(() => evidence),
          async (changed) => {
            await verifier.verify(changed, AZURE_EXPECTED, signal).catch((error: unknown) => {
              if (!(error instanceof EvidenceRejected)) throw error;
            });
          },
        ),
        { numRuns: 200 },
      );
  });
});

test("what is printed is what is read", () => {
  const selection = fc.record({
    bank: fc.constantFrom(...BANK_NAMES),
    pcrs: fc.uniqueArray(fc.nat(23), { maxLength: 24 }).map((pcrs) => pcrs.sort((a, b) => a - b)),
  });
  fc.assert(
    fc.property(
      bytes(64),
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.nat(0xffffffff),
      fc.boolean(),
      fc.array(selection, { maxLength: 5 }),
      bytes(64),
      (extraData, clock, resetCount, safe, selections, pcrDigest) => {
        const printed = printAttest({
          extraData,
          clock,
          resetCount,
          safe: safe ? 1 : 0,
          selections,
          pcrDigest,
        });
        const read = readAttest(printed);
        expect(read).toMatchObject({ extraData, clockInfo: { clock, resetCount, safe } });
        expect(read.quote).toEqual({
          selections: selections.map(({ bank, pcrs }) => ({ algorithm: BANKS[bank].id, bank, pcrs })),
          pcrDigest,
        });
      },
    ),
  );
});

type Place = readonly (string | number)[];

function placesOf(value: JsonValue, place: Place = []): Place[] {
  if (Array.isArray(value))
    return [place, ...value.flatMap((item: JsonValue, i: number) => placesOf(item, [...place, i]))];
  if (typeof value !== "object" || value === null) return [place];
  return [
    place,
    ...Object.entries(value).flatMap(([name, item]) => placesOf(item as JsonValue, [...place, name])),
  ];
}

function replaceAt(value: JsonValue, [first, ...rest]: Place, by: JsonValue): JsonValue {
  if (first === undefined) return by;
  if (Array.isArray(value))
    return value.map((item: JsonValue, i: number) => (i === first ? replaceAt(item, rest, by) : item));
  const object = value as JsonObject; // the place was found in it
  return { ...object, [first]: replaceAt(object[first] ?? null, rest, by) };
}
