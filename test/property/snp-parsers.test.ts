import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readMaterial } from "../../src/attestation/endorsements/amd-material.ts";
import { readCertificateTable } from "../../src/attestation/formats/sev-snp/certificate-table.ts";
import { readReport, reservedBytesSet } from "../../src/attestation/formats/sev-snp/report.ts";
import { EvidenceRejected } from "../../src/attestation/verifier.ts";
import { SampleVerifier } from "../../src/attestation/verifiers/sample/verify.ts";
import {
  EvidenceFormatError,
  readBinaryEvidence,
  readSnpEvidence,
} from "../../src/attestation/verifiers/snp/evidence.ts";
import { parseCertificate } from "../../src/crypto/certificate.ts";
import { parseRevocationList } from "../../src/crypto/crl.ts";
import { DerError, DerReader, oidText, timeValue } from "../../src/crypto/der.ts";
import { readPem, writePem } from "../../src/crypto/pem.ts";
import { printEvidence } from "../../src/dev/snp-report.ts";
import { readJson } from "../../src/json/read.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { writeJson } from "../../src/json/write.ts";
import { EXPECTED, listDer, type Made, make, verifierFor } from "../support/fake-amd/index.ts";

const signal = new AbortController().signal;
let made: Made;
let list: Buffer;

beforeAll(async () => {
  made = await make({ report: { version: 5 } });
  list = await listDer("Genoa", { revokedSerials: ["0101", "02"] });
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

describe("B29 B30 no input crashes a parser", () => {
  test("DER", () => {
    fc.assert(
      fc.property(bytes(), (input) => {
        only(DerError, () => {
          for (const reader = new DerReader(input); !reader.atEnd; ) {
            const node = reader.next();
            only(DerError, () => oidText(node));
            only(DerError, () => timeValue(node));
          }
        });
      }),
      { numRuns: 2000 },
    );
  });

  test("times of any text", () => {
    fc.assert(
      fc.property(fc.constantFrom(0x17, 0x18), fc.stringMatching(/^[0-9Z+.-]{0,16}$/), (tag, text) => {
        const content = Buffer.from(text);
        only(DerError, () => timeValue({ tag, content, whole: content }));
      }),
      { numRuns: 2000 },
    );
  });

  test("certificates and revocation lists", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          bytes(),
          spliced(() => made.vekDer),
        ),
        (input) => only(DerError, () => parseCertificate(input)),
      ),
      { numRuns: 1500 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          bytes(),
          spliced(() => list),
        ),
        (input) => only(DerError, () => parseRevocationList(input)),
      ),
      { numRuns: 1500 },
    );
  });

  test("certificate tables", () => {
    fc.assert(
      fc.property(bytes(), (input) => only(DerError, () => readCertificateTable(input))),
      { numRuns: 1500 },
    );
  });

  test("collateral of any kind becomes material or a fault", () => {
    const input = fc.oneof(
      bytes(),
      spliced(() => list),
      spliced(() => Buffer.from(writePem("CERTIFICATE", made.vekDer))),
    );
    fc.assert(
      fc.property(input, (file) => expect(readMaterial(file, "x").faults.length).toBeLessThanOrEqual(1)),
      { numRuns: 1500 },
    );
  });

  test("binary evidence", () => {
    const input = fc.oneof(
      bytes(3000),
      bytes().map((tail) => Buffer.concat([made.report, tail])),
    );
    fc.assert(
      fc.property(input, (evidence) => only(EvidenceFormatError, () => readBinaryEvidence(evidence))),
    );
  });

  test("any JSON is refused by a verifier, never thrown out of it", async () => {
    const snp = verifierFor({}, made);
    const sample = new SampleVerifier("sample", { allowSampleEvidence: true });
    const input = fc.oneof(fc.jsonValue(), mutated());
    await fc.assert(
      fc.asyncProperty(input, async (evidence) => {
        // fast-check calls the same plain JSON by another name.
        const json = evidence as JsonValue;
        await expect(snp.verify(json, EXPECTED, signal)).rejects.toBeInstanceOf(EvidenceRejected);
        await expect(sample.verify(json, EXPECTED)).rejects.toBeInstanceOf(EvidenceRejected);
      }),
      { numRuns: 600 },
    );
  });

  /** Good evidence with one member of the report replaced by something else. */
  function mutated() {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.bigInt(),
      fc.integer(),
      fc.array(fc.integer({ min: -1, max: 256 }), { maxLength: 80 }),
    );
    const pick = ([at, put]: readonly [number, unknown]) => {
      const report = made.evidence["attestation_report"] as JsonObject;
      const name = Object.keys(report)[at % Object.keys(report).length] ?? "version";
      return { report, name, put: put as JsonValue };
    };
    return (
      fc
        .tuple(fc.nat(), value)
        .map(pick)
        // Now and then the something else is the very same, and good evidence is good.
        .filter(({ report, name, put }) => writeJson(put) !== writeJson(report[name] ?? null))
        .map(({ report, name, put }) => ({
          ...made.evidence,
          attestation_report: { ...report, [name]: put },
        }))
    );
  }

  test("ten thousand levels of nesting are refused", async () => {
    const deep = `${"[".repeat(10_000)}${"]".repeat(10_000)}`;
    await expect(verifierFor({}, made).verifyText(deep, EXPECTED, signal)).rejects.toMatchObject({
      check: "evidence-format",
    });
  });
});

describe("A15 leaving something out makes the judgement stricter, never softer", () => {
  test("each member of the report is required, or the signature fails", async () => {
    const verifier = verifierFor({}, made);
    const report = made.evidence["attestation_report"] as JsonObject;
    for (const name of Object.keys(report)) {
      const { [name]: _left, ...rest } = report;
      const evidence = { ...made.evidence, attestation_report: rest };
      await expect(verifier.verify(evidence, EXPECTED, signal)).rejects.toBeInstanceOf(EvidenceRejected);
    }
  });

  test("each extension of the certificate that is compared is required", async () => {
    for (const suffix of ["2", "3.1", "3.2", "3.3", "3.8", "4"]) {
      const story = {
        vekExtensions: (e: readonly { oid: string; value: Uint8Array }[]) =>
          e.filter(({ oid }) => oid !== `1.3.6.1.4.1.3704.1.${suffix}`),
      };
      const bare = await make(story);
      await expect(verifierFor(story, bare).verify(bare.evidence, EXPECTED, signal)).rejects.toBeInstanceOf(
        EvidenceRejected,
      );
    }
  });
});

describe("printing and parsing are each other's inverse", () => {
  /** Random reports with nothing in reserved fields, as firmware makes them. */
  const reports = fc
    .tuple(
      fc.constantFrom(2, 3, 4, 5),
      fc.constantFrom([0x19, 1], [0x19, 0x11], [0x1a, 2]),
      fc.uint8Array({ minLength: 1184, maxLength: 1184 }),
    )
    .map(([version, [family = 0, model = 0], noise]) => {
      const report = Buffer.from(noise);
      report.writeUInt32LE(version, 0);
      report.set(version === 2 ? [0, 0, 0] : [family, model, 1], 0x188);
      const zero: [number, number][] = [
        [0x4c, 0x50],
        [0x18b, 0x1a0],
        [0x1eb, 0x1ec],
        [0x1ef, 0x1f0],
        [0x208, 0x2a0],
        [0x2d0, 0x2e8],
        [0x318, 0x330],
        [0x330, 0x4a0],
      ];
      const turin = version >= 3 && family === 0x1a;
      for (const at of [0x38, 0x180, 0x1e0, 0x1f0]) zero.push(turin ? [at + 4, at + 7] : [at + 2, at + 6]);
      if (version < 5) zero.push([0x1f8, 0x208]);
      for (const [from, to] of zero) report.fill(0, from, to);
      report.writeUInt32LE(report.readUInt32LE(0x48) & 0x1f, 0x48);
      return report;
    });

  test("a report survives its JSON, 64-bit numbers included", () => {
    fc.assert(
      fc.property(reports, (report) => {
        expect(reservedBytesSet(readReport(report))).toEqual([]);
        const { report: again } = readSnpEvidence(readJson(writeJson(printEvidence(report, null))));
        expect(again.equals(report)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("PEM", () => {
    fc.assert(
      fc.property(bytes(), (der) =>
        expect(readPem(writePem("CERTIFICATE", der))).toEqual([{ label: "CERTIFICATE", der }]),
      ),
    );
  });
});
