import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { hardwareIdText, kdsVcekPath, storeFileName } from "../../../src/attestation/endorsements/amd-kds.ts";
import { readMaterial } from "../../../src/attestation/endorsements/amd-material.ts";
import { readCertificateTable } from "../../../src/attestation/formats/sev-snp/certificate-table.ts";
import { isSignedBy } from "../../../src/attestation/formats/sev-snp/chain.ts";
import { isProduct } from "../../../src/attestation/formats/sev-snp/product.ts";
import { readReport } from "../../../src/attestation/formats/sev-snp/report.ts";
import { pinnedTrustAnchors } from "../../../src/attestation/formats/sev-snp/trust-anchors.ts";
import { readVek } from "../../../src/attestation/formats/sev-snp/vek.ts";
import { parseCertificate } from "../../../src/crypto/certificate.ts";
import { parseRevocationList } from "../../../src/crypto/crl.ts";
import { DerError } from "../../../src/crypto/der.ts";
import { readPem } from "../../../src/crypto/pem.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

interface Values {
  readonly file: string;
  readonly subject_cn: string;
  readonly issuer_cn: string;
  readonly not_before: string;
  readonly not_after: string;
  readonly product: string;
  readonly fmc?: number;
  readonly bl: number;
  readonly tee: number;
  readonly snp: number;
  readonly ucode: number;
  readonly hwid?: string;
  readonly csp?: string;
  readonly chain_valid: boolean;
}

interface Data {
  readonly cases: readonly {
    id: string;
    report?: string;
    vek?: string;
    vek_info?: Values;
    kds_path?: string;
    offline_store_path?: string;
  }[];
  readonly certificates: readonly Values[];
  readonly cert_tables: readonly {
    file: string;
    expect: string;
    entries?: readonly { type: string; length: number; sha256: string }[];
  }[];
  readonly crls: readonly {
    file: string;
    this_update: string;
    next_update: string;
    revoked_serials: readonly string[];
  }[];
}

const read = (name: string) => readFileSync(sharedPath("fixtures/snp", name));

function expectCertificate(der: Buffer, values: Values): void {
  const vek = readVek(parseCertificate(der));
  expect(`CN=SEV-${vek.subjectKind}`).toBe(values.subject_cn);
  expect(new Date(vek.certificate.notBefore).toISOString()).toBe(values.not_before);
  expect(new Date(vek.certificate.notAfter).toISOString()).toBe(values.not_after);
  expect(vek.productName).toBe(values.product);
  expect(vek.tcb).toEqual({
    fmc: values.fmc,
    bootloader: values.bl,
    tee: values.tee,
    snp: values.snp,
    microcode: values.ucode,
  });
  expect(vek.hardwareId?.toString("hex")).toBe(values.hwid);
  expect(vek.cspId).toBe(values.csp);
}

describeShared("AMD's certificates and lists as others recorded them", "fixtures/snp", () => {
  const data: Data = JSON.parse(read("cases.json").toString());
  const real = data.cases.filter(({ vek }) => vek !== undefined);

  test.each(data.certificates)("$file reads as recorded", (values) => {
    expectCertificate(read(values.file), values);
    const vek = parseCertificate(read(values.file));
    const signed = pinnedTrustAnchors().intermediates.some(
      (ask) => ask.subjectDer.equals(vek.issuerDer) && isSignedBy(vek, ask),
    );
    expect(signed).toBe(values.chain_valid);
  });

  test.each(real)("the signing key of $id reads as recorded", ({ vek, vek_info }) => {
    if (vek_info === undefined) throw new Error("the case has no recorded values");
    expectCertificate(read(vek ?? ""), vek_info);
  });

  test.each(real.filter(({ kds_path }) => kds_path !== undefined))(
    "$id is asked for by the recorded path",
    (one) => {
      const report = readReport(read(one.report ?? ""));
      const product = one.kds_path?.split("/")[3] ?? "";
      const id = hardwareIdText(report);
      const query = { tcb: report.reportedTcb };
      if (!isProduct(product) || id === undefined) throw new Error("a recorded path without product or chip");
      expect(kdsVcekPath(product, id, query)).toBe(one.kds_path);
      expect(`vcek/${id}/${storeFileName(query)}`).toBe(one.offline_store_path);
    },
  );

  test.each(data.cert_tables)("$file: $expect", ({ file, expect: verdict, entries }) => {
    if (verdict === "reject") {
      expect(() => readCertificateTable(read(file))).toThrow(DerError);
      return;
    }
    const found = readCertificateTable(read(file)).map(({ label, data: bytes }) => ({
      type: label === "other" ? "GOOG" : label,
      length: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    }));
    expect(found).toEqual((entries ?? []).map(({ type, length, sha256 }) => ({ type, length, sha256 })));
  });

  test.each(data.cert_tables.filter((table) => table.expect === "reject"))(
    "$file becomes a fault as collateral",
    ({ file }) => {
      expect(readMaterial(read(file), file).faults).toHaveLength(1);
    },
  );

  test.each(data.crls)("$file is AMD's, and reads as recorded", (values) => {
    const list = parseRevocationList(read(values.file));
    expect(new Date(list.thisUpdate).toISOString()).toBe(values.this_update);
    expect(new Date(list.nextUpdate ?? 0).toISOString()).toBe(values.next_update);
    expect([...list.revoked]).toEqual(values.revoked_serials);
    expect(pinnedTrustAnchors().roots.filter((root) => isSignedBy(list, root))).toHaveLength(1);
  });
});

describeShared("pinned roots", "fixtures/trust-anchors", () => {
  test.each([
    "ark-milan",
    "ark-genoa",
    "ark-turin",
    "sev-milan",
    "sev-genoa",
    "sev-turin",
    "sev-vlek-milan",
    "sev-vlek-genoa",
    "sev-vlek-turin",
  ])("%s is built in, byte for byte", (name) => {
    const [block] = readPem(readFileSync(sharedPath("fixtures/trust-anchors", `${name}.pem`), "utf8"));
    const { roots, intermediates } = pinnedTrustAnchors();
    const pool = name.startsWith("ark") ? roots : intermediates;
    expect(pool.some(({ der }) => block?.der.equals(der))).toBe(true);
  });
});
