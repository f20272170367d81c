import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  MAX_CERTIFICATE_BYTES,
  readCertificateTable,
} from "../../../../src/attestation/formats/sev-snp/certificate-table.ts";
import { productOfCpuid } from "../../../../src/attestation/formats/sev-snp/product.ts";
import { readReport, reportSignature } from "../../../../src/attestation/formats/sev-snp/report.ts";
import { readVek } from "../../../../src/attestation/formats/sev-snp/vek.ts";
import { readSnpEvidence } from "../../../../src/attestation/verifiers/snp/evidence.ts";
import { parseCertificate } from "../../../../src/crypto/certificate.ts";
import { DerError } from "../../../../src/crypto/der.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import { EXPECTED, type Made, make, verifierFor } from "../../../support/fake-amd/index.ts";
import { printOldReport } from "../../../support/fake-amd/old-form.ts";

const signal = new AbortController().signal;

describe("the older JSON form", () => {
  test("carries every byte, reserved ones too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1184, maxLength: 1184 }), (noise) => {
        const report = Buffer.from(noise);
        const evidence = { attestation_report: printOldReport(report), cert_chain: null };
        expect(readSnpEvidence(evidence).report.equals(report)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("may have the new name of the key info", () => {
    const report = Buffer.alloc(1184, 1);
    const { _author_key_en: word, ...rest } = printOldReport(report);
    const evidence = { attestation_report: { ...rest, key_info: word ?? null }, cert_chain: null };
    expect(readSnpEvidence(evidence).report.equals(report)).toBe(true);
  });

  test.each(["Milan", "Genoa", "Turin"] as const)("of %s verifies to the same claims", async (product) => {
    const made = await make({ product, report: { version: 5 } });
    const verifier = verifierFor({}, made);
    const old = { ...made.evidence, attestation_report: printOldReport(made.report) };
    const [present, older] = await Promise.all([
      verifier.verify(made.evidence, EXPECTED, signal),
      verifier.verify(old, EXPECTED, signal),
    ]);
    expect(older.results).toEqual(present.results);
  });
});

describe("what a guest's agent may leave out", () => {
  test("the FMC, the mitigation vectors before version 5, and unknown members", async () => {
    const made = await make({});
    const report = made.evidence["attestation_report"] as JsonObject;
    const { launch_mit_vector: _launch, current_mit_vector: _current, ...rest } = report;
    const { fmc: _fmc, ...tcb } = report["launch_tcb"] as JsonObject;
    const evidence = {
      ...made.evidence,
      attestation_report: { ...rest, launch_tcb: tcb, more: [] },
      more: 1,
    };
    await expect(verifierFor({}, made).verify(evidence, EXPECTED, signal)).resolves.toBeDefined();
  });

  test("cert_chain itself, which is then no certificate", async () => {
    const made = await make({});
    const { cert_chain: _chain, ...evidence } = made.evidence;
    await expect(verifierFor({}, made).verify(evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "vek-available",
    });
  });

  test("the text tells when an old agent cut a version 5 report", async () => {
    const made = await make({ report: { version: 5 } });
    const report = { ...(made.evidence["attestation_report"] as object), launch_mit_vector: null };
    const outcome = verifierFor({}, made).verify(
      { ...made.evidence, attestation_report: report },
      EXPECTED,
      signal,
    );
    await expect(outcome).rejects.toMatchObject({
      check: "report-signature",
      detail: expect.stringContaining("too old"),
    });
  });
});

describe("processors", () => {
  test.each([
    [0x19, 0x00, "Milan"],
    [0x19, 0x0f, "Milan"],
    [0x19, 0x10, "Genoa"],
    [0x19, 0x1f, "Genoa"],
    [0x19, 0x20, undefined],
    [0x19, 0x9f, undefined],
    [0x19, 0xa0, "Genoa"],
    [0x19, 0xaf, "Genoa"],
    [0x19, 0xb0, undefined],
    [0x1a, 0x00, "Turin"],
    [0x1a, 0x11, "Turin"],
    [0x1a, 0x12, undefined],
    [0x1a, 0x50, undefined],
    [0x18, 0x00, undefined],
  ])("family %d model %d is %s", (family, model, product) => {
    expect(productOfCpuid(family, model)).toBe(product);
  });
});

describe("the report's bytes", () => {
  test("Turin's TCB begins with the FMC", async () => {
    const { report } = await make({ product: "Turin", report: { version: 5 } });
    expect([...report.subarray(0x180, 0x188)]).toEqual([1, 3, 2, 5, 0, 0, 0, 97]);
    expect(readReport(report).reportedTcb).toEqual({ fmc: 1, bootloader: 3, tee: 2, snp: 5, microcode: 97 });
  });

  test("r and s are little-endian there and big-endian for the verifier", async () => {
    const { report } = await make({});
    const signature = reportSignature(readReport(report));
    expect(signature.subarray(0, 48)).toEqual(Buffer.from(report.subarray(0x2a0, 0x2d0)).reverse());
    expect(signature.subarray(48)).toEqual(Buffer.from(report.subarray(0x2e8, 0x318)).reverse());
  });

  test("a buffer of another length is no report", () => {
    expect(() => readReport(Buffer.alloc(1183))).toThrow(RangeError);
  });
});

const VCEK = "63da758de6644564adc5f4b93be8accd";
const OTHER = "00000000000000000000000000000001";

/** A certificate table of these entries; `at` overrides the offset. */
function table(
  entries: readonly { guid: string; data: Buffer; at?: number; length?: number }[],
  end = true,
): Buffer {
  const size = 24 * (entries.length + (end ? 1 : 0));
  const directory = Buffer.alloc(size);
  let offset = size;
  entries.forEach(({ guid, data, at, length }, i) => {
    directory.write(guid, 24 * i, "hex");
    directory.writeUInt32LE(at ?? offset, 24 * i + 16);
    directory.writeUInt32LE(length ?? data.length, 24 * i + 20);
    offset += data.length;
  });
  return Buffer.concat([directory, ...entries.map(({ data }) => data)]);
}

describe("certificate tables", () => {
  const data = Buffer.from("certificate");

  test("give entries by their GUID, unknown ones as other", () => {
    expect(
      readCertificateTable(
        table([
          { guid: VCEK, data },
          { guid: OTHER, data },
        ]),
      ),
    ).toEqual([
      { label: "VCEK", data },
      { label: "other", data },
    ]);
    expect(readCertificateTable(Buffer.alloc(0))).toEqual([]);
    expect(readCertificateTable(Buffer.alloc(4096))).toEqual([]);
  });

  test.each([
    ["without an end", table([{ guid: VCEK, data: Buffer.alloc(0), length: 1, at: 0 }], false)],
    ["with an entry past the end", table([{ guid: VCEK, data, length: data.length + 1 }])],
    ["with an offset that overflows 32 bits", table([{ guid: VCEK, data, at: 0xffffffff, length: 2 }])],
    ["with an entry on its own directory", table([{ guid: VCEK, data, at: 24 }])],
    ["with an empty entry", table([{ guid: VCEK, data, length: 0 }])],
    [
      "with an entry of more than 16 KiB",
      table([{ guid: VCEK, data: Buffer.alloc(MAX_CERTIFICATE_BYTES + 1) }]),
    ],
    ["with 17 entries", table(Array(17).fill({ guid: VCEK, data }))],
    ["cut in its directory", table([{ guid: VCEK, data }]).subarray(0, 30)],
  ])("%s are refused", (_name, bytes) => {
    expect(() => readCertificateTable(bytes)).toThrow(DerError);
  });

  test("behind a report are the evidence's certificates", async () => {
    const made = await make({});
    const bytes = (m: Made) => Buffer.concat([m.report, table([{ guid: VCEK, data: m.vekDer }])]);
    await expect(verifierFor({}, made).verifyBinary(bytes(made), EXPECTED, signal)).resolves.toBeDefined();
    const broken = Buffer.concat([made.report, Buffer.from([1])]);
    await expect(verifierFor({}, made).verifyBinary(broken, EXPECTED, signal)).rejects.toMatchObject({
      check: "evidence-format",
    });
  });
});

describe("the certificate of a signing key", () => {
  test("says its TCB, chip and product", async () => {
    const { vekDer, chipId, tcb } = await make({ product: "Milan" });
    expect(readVek(parseCertificate(vekDer))).toMatchObject({
      subjectKind: "VCEK",
      issuerKind: "VCEK",
      issuerProduct: "Milan",
      productName: "Milan-B0",
      hardwareId: chipId,
      tcb,
      cspId: undefined,
    });
  });
});
