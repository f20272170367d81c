/** Makes attestation reports as SEV-SNP firmware does (AMD 56860 §7.3), and prints them as guests send them. */
import { type KeyObject, sign } from "node:crypto";
import type { Product } from "../attestation/formats/sev-snp/product.ts";
import {
  type FirmwareVersion,
  layoutOf,
  REPORT_BYTES,
  readReport,
  SIGNED_BYTES,
  type Tcb,
  writeTcb,
} from "../attestation/formats/sev-snp/report.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";

export interface ReportFields {
  /** 2 to 5. */
  readonly version: number;
  readonly product: Product;
  /** At most 64 bytes; zeros follow. */
  readonly reportData: Uint8Array;
  /** At most 32 bytes; zeros follow. */
  readonly hostData: Uint8Array;
  /** 48 bytes. */
  readonly measurement: Uint8Array;
  /** 64 bytes. */
  readonly chipId: Uint8Array;
  readonly policy: bigint;
  readonly platformInfo: bigint;
  readonly vmpl: number;
  /** 0 VCEK, 4 VLEK; the word at 0x48. */
  readonly keyInfo: number;
  readonly guestSvn: number;
  readonly tcb: Tcb;
  readonly firmware: FirmwareVersion;
  readonly launchMitigations: bigint;
  readonly currentMitigations: bigint;
}

const CPUID: Readonly<Record<Product, readonly [family: number, model: number, stepping: number]>> = {
  Milan: [0x19, 0x01, 0x01],
  Genoa: [0x19, 0x11, 0x01],
  Turin: [0x1a, 0x02, 0x01],
};

/** @returns 1184 bytes without a signature */
export function buildReport(fields: ReportFields): Buffer {
  const report = Buffer.alloc(REPORT_BYTES);
  const [family, model, stepping] = CPUID[fields.product];
  report.writeUInt32LE(fields.version, 0x00);
  report.writeUInt32LE(fields.guestSvn, 0x04);
  report.writeBigUInt64LE(fields.policy, 0x08);
  report.writeUInt32LE(fields.vmpl, 0x30);
  report.writeUInt32LE(1, 0x34);
  report.writeBigUInt64LE(fields.platformInfo, 0x40);
  report.writeUInt32LE(fields.keyInfo, 0x48);
  report.set(fields.reportData, 0x50);
  report.set(fields.measurement, 0x90);
  report.set(fields.hostData, 0xc0);
  report.fill(0xff, 0x160, 0x180);
  if (fields.version >= 3) report.set([family, model, stepping], 0x188);
  report.set(fields.chipId, 0x1a0);
  const { build, minor, major } = fields.firmware;
  report.set([build, minor, major], 0x1e8);
  report.set([build, minor, major], 0x1ec);
  const layout = layoutOf(fields.version, family);
  for (const at of [0x38, 0x180, 0x1e0, 0x1f0]) writeTcb(report, at, layout, fields.tcb);
  if (fields.version >= 5) {
    report.writeBigUInt64LE(fields.launchMitigations, 0x1f8);
    report.writeBigUInt64LE(fields.currentMitigations, 0x200);
  }
  return report;
}

/** A copy with the signature of a P-384 key (r and s little-endian, 72 bytes each). */
export function signReport(report: Buffer, key: KeyObject): Buffer {
  const signed = Buffer.from(report);
  const signature = sign("sha384", signed.subarray(0, SIGNED_BYTES), { key, dsaEncoding: "ieee-p1363" });
  signed.set(Buffer.from(signature.subarray(0, 48)).reverse(), 0x2a0);
  signed.set(Buffer.from(signature.subarray(48)).reverse(), 0x2e8);
  return signed;
}

export interface EvidenceCertificate {
  readonly type: "ARK" | "ASK" | "VCEK" | "VLEK" | "CRL" | { readonly OTHER: string };
  /** DER or PEM. */
  readonly data: Uint8Array;
}

/** Evidence as the attestation agent prints it (sev crate 6 and later). */
export function printEvidence(
  report: Buffer,
  certificates: readonly EvidenceCertificate[] | null,
): JsonObject {
  return {
    attestation_report: printReport(report),
    cert_chain: certificates?.map(({ type, data }) => ({ cert_type: type, data: [...data] })) ?? null,
  };
}

function printReport(bytes: Buffer): JsonObject {
  const report = readReport(bytes);
  return {
    version: report.version,
    guest_svn: report.guestSvn,
    policy: report.policy,
    family_id: [...report.familyId],
    image_id: [...report.imageId],
    vmpl: report.vmpl,
    sig_algo: report.signatureAlgorithm,
    current_tcb: printTcb(report.currentTcb),
    plat_info: report.platformInfo,
    key_info: bytes.readUInt32LE(0x48),
    report_data: [...report.reportData],
    measurement: [...report.measurement],
    host_data: [...report.hostData],
    id_key_digest: [...report.idKeyDigest],
    author_key_digest: [...report.authorKeyDigest],
    report_id: [...report.reportId],
    report_id_ma: [...report.reportIdMa],
    reported_tcb: printTcb(report.reportedTcb),
    cpuid_fam_id: report.cpuid?.family ?? null,
    cpuid_mod_id: report.cpuid?.model ?? null,
    cpuid_step: report.cpuid?.stepping ?? null,
    chip_id: [...report.chipId],
    committed_tcb: printTcb(report.committedTcb),
    current: { ...report.current },
    committed: { ...report.committed },
    launch_tcb: printTcb(report.launchTcb),
    launch_mit_vector: report.launchMitigations ?? null,
    current_mit_vector: report.currentMitigations ?? null,
    signature: { r: [...bytes.subarray(0x2a0, 0x2e8)], s: [...bytes.subarray(0x2e8, 0x330)] },
  };
}

function printTcb(tcb: Tcb): JsonValue {
  return { ...tcb, fmc: tcb.fmc ?? null };
}
