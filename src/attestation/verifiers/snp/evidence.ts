/**
 * Evidence of Confidential Containers guests on SEV-SNP: the report as JSON (a dump of the `sev` crate's
 * structure, in its present or its older form) and the certificates the host gave along. The 1184 bytes are
 * rebuilt first; only bytes are ever judged.
 */
import { asBuffer } from "../../../crypto/bytes.ts";
import { DerError } from "../../../crypto/der.ts";
import type { JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import {
  type LabelledCertificate,
  MAX_CERTIFICATE_BYTES,
  MAX_CERTIFICATES,
  readCertificateTable,
} from "../../formats/sev-snp/certificate-table.ts";
import { REPORT_BYTES } from "../../formats/sev-snp/report.ts";
import { copyBytes, Faults, type RebuiltReport, rebuildReport } from "./rebuild.ts";

export interface SnpEvidence extends RebuiltReport {
  readonly certificates: readonly LabelledCertificate[];
}

/** What is wrong with evidence: one sentence per fault, a bounded number of them. */
export class EvidenceFormatError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("; "));
    this.name = "EvidenceFormatError";
    this.faults = faults;
  }
}

/** @throws EvidenceFormatError with every fault found, not just the first */
export function readSnpEvidence(evidence: JsonValue): SnpEvidence {
  if (!isObject(evidence)) throw new EvidenceFormatError(["not a JSON object"]);
  const faults = new Faults();
  const reportJson = member(evidence, "attestation_report");
  const certificates = readCertificates(member(evidence, "cert_chain"), faults);
  if (!isObject(reportJson)) faults.add("attestation_report: an object is required");
  const rebuilt = isObject(reportJson) ? rebuildReport(reportJson, faults) : undefined;
  if (rebuilt === undefined || faults.any) throw new EvidenceFormatError(faults.list);
  return { ...rebuilt, certificates };
}

/**
 * Evidence as the kernel hands it out: the report, followed by the certificate table if there is one.
 *
 * @throws EvidenceFormatError
 */
export function readBinaryEvidence(bytes: Uint8Array): SnpEvidence {
  const all = asBuffer(bytes);
  if (all.length < REPORT_BYTES)
    throw new EvidenceFormatError([`a report has ${REPORT_BYTES} bytes, not ${all.length}`]);
  try {
    const certificates = readCertificateTable(all.subarray(REPORT_BYTES));
    return { report: all.subarray(0, REPORT_BYTES), certificates, withoutMitigations: false };
  } catch (error) {
    if (error instanceof DerError) throw new EvidenceFormatError([error.message]);
    throw error;
  }
}

/** A report begins with its version, a small number; JSON with white space or a printable character. */
export function isBinaryEvidence(bytes: Uint8Array): boolean {
  const first = bytes[0];
  return first !== undefined && first < 0x09;
}

function readCertificates(chain: JsonValue | undefined, faults: Faults): LabelledCertificate[] {
  if (chain === undefined || chain === null) return [];
  if (!isArray(chain)) {
    faults.add("cert_chain: an array or null is required");
    return [];
  }
  if (chain.length > MAX_CERTIFICATES) {
    faults.add(`cert_chain: more than ${MAX_CERTIFICATES} entries`);
    return [];
  }
  return chain.flatMap((entry, i) => readEntry(entry, `cert_chain[${i}]`, faults) ?? []);
}

const LABELS = ["ARK", "ASK", "VCEK", "VLEK", "CRL"] as const;

function readEntry(entry: JsonValue, path: string, faults: Faults): LabelledCertificate | undefined {
  if (!isObject(entry)) {
    faults.add(`${path}: an object is required`);
    return undefined;
  }
  const type = member(entry, "cert_type");
  const label = LABELS.find((known) => known === type) ?? (isOtherType(type) ? "other" : undefined);
  if (label === undefined) faults.add(`${path}.cert_type: an unknown kind of certificate`);
  const json = member(entry, "data");
  if (!isArray(json) || json.length > MAX_CERTIFICATE_BYTES) {
    faults.add(`${path}.data: an array of at most ${MAX_CERTIFICATE_BYTES} bytes is required`);
    return undefined;
  }
  const data = Buffer.alloc(json.length);
  if (!copyBytes(json, data, 0)) faults.add(`${path}.data: integers from 0 to 255 are required`);
  return label && { label, data };
}

/** Entries the verifier has no use for, named as the `sev` crate prints them. */
function isOtherType(type: JsonValue | undefined): boolean {
  if (type === "Empty") return true;
  return isObject(type) && typeof member(type, "OTHER") === "string" && Object.keys(type).length === 1;
}
