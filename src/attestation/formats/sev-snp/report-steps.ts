/**
 * The steps of an appraisal that need nothing but the report, the certificate and what was expected; `verify.ts`
 * puts them into their order.
 */
import { equalBytes, isZero, resize, toHex } from "../../../crypto/bytes.ts";
import { verifyP384 } from "../../../crypto/ecdsa.ts";
import type { Trail } from "../../trail.ts";
import type { VerifiedChain } from "./chain.ts";
import type { SnpCheck } from "./checks.ts";
import type { SnpDemands } from "./demands.ts";
import type { Product } from "./product.ts";
import {
  hasBit,
  POLICY_FIRST_RESERVED,
  POLICY_RESERVED_ONE,
  type Report,
  reportProduct,
  reportSignature,
  reservedBytesSet,
  SIGNED_BYTES,
  signingKeyKind,
  tcbText,
} from "./report.ts";
import { hardwareIdLength, tcbMatches, type Vek } from "./vek.ts";

type SnpTrail = Trail<SnpCheck>;

const REPORT_DATA_BYTES = 64;
const HOST_DATA_BYTES = 32;

/** Cheap checks that need no key: they spare a request for certificates, and prove nothing yet. */
export function checkStructure(trail: SnpTrail, report: Report, { minimumReportVersion }: SnpDemands): void {
  const { version } = report;
  const supported = `a report version from ${minimumReportVersion} to 5`;
  trail.require(
    "report-version",
    version >= minimumReportVersion && version <= 5,
    `version ${version}`,
    supported,
  );
  trail.require("signature-algorithm", report.signatureAlgorithm === 1, `${report.signatureAlgorithm}`);
  const reserved = reservedBytesSet(report);
  trail.require(
    "reserved-fields",
    reserved.length === 0,
    reserved.length === 0 ? "zero" : `set: ${reserved.join(", ")}`,
  );
  trail.require(
    "policy-bit17",
    hasBit(report.policy, POLICY_RESERVED_ONE),
    `0x${report.policy.toString(16)}`,
  );
  trail.require(
    "policy-reserved-bits",
    report.policy >> POLICY_FIRST_RESERVED === 0n,
    `0x${report.policy.toString(16)}`,
  );
  trail.require("mask-chip-key", !report.maskChipKey, report.maskChipKey ? "MASK_CHIP_KEY on" : "off");
  if (signingKeyKind(report) === undefined)
    throw trail.failed("key-kind", `signing key ${report.signingKey} in the report`);
  if (report.cpuid !== undefined && reportProduct(report) === undefined)
    throw trail.failed("product", `unsupported processor, ${cpuidText(report)}`);
}

function cpuidText({ cpuid }: Report): string {
  if (cpuid === undefined) return "no CPUID";
  return `CPUID family 0x${cpuid.family.toString(16)}, model 0x${cpuid.model.toString(16)}`;
}

/** Report, label, subject and issuer have to agree; the label alone proves nothing. */
export function checkKeyKind(trail: SnpTrail, report: Report, vek: Vek, label: string | undefined): void {
  const kind = signingKeyKind(report);
  const agree =
    kind !== undefined && kind === vek.subjectKind && kind === vek.issuerKind && (label ?? kind) === kind;
  const seen = `report ${kind}, label ${label ?? "none"}, subject ${vek.subjectKind}, issuer ${vek.issuerKind}`;
  trail.require("key-kind", agree, seen);
}

/**
 * Processor in the report (CPUID, version 3 and later: AMD 56860 §7.3) against the issuer of the certificate and its
 * product name extension (AMD 57230 §3). Version 2 names no processor, and Turin never made one.
 *
 * @throws EvidenceRejected `product` | `product-name`
 */
export function checkProduct(trail: SnpTrail, report: Report, chain: VerifiedChain): void {
  const product: Product | undefined = reportProduct(report);
  const agree = report.cpuid === undefined ? chain.product !== "Turin" : product === chain.product;
  trail.require("product", agree, `report ${product ?? cpuidText(report)}, certificate ${chain.product}`);
  const name = chain.vek.productName;
  trail.require(
    "product-name",
    name?.split("-")[0] === chain.product,
    name?.slice(0, 40) ?? "no product name",
  );
}

/**
 * Every certificate of the chain within its dates (RFC 5280 §4.1.2.5).
 *
 * @param now - milliseconds since the epoch
 * @throws EvidenceRejected `certificate-validity`
 */
export function checkValidity(
  trail: SnpTrail,
  chain: VerifiedChain,
  now: number,
  settings: SnpDemands,
): void {
  const { notBefore, notAfter, text: window } = windowOf(chain);
  if (settings.dangerouslyIgnoreCertificateValidity) {
    trail.notChecked("certificate-validity", `switched off by the settings; valid ${window}`);
    return;
  }
  // Written so that a clock that gives no number refuses.
  const valid = now >= notBefore && now <= notAfter;
  trail.require("certificate-validity", valid, `valid ${window}, time is ${isoTime(now)}`);
}

interface Window {
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly text: string;
}

/** A chain is verified once and serves every report of its chip; so do its dates. */
const WINDOWS = new WeakMap<VerifiedChain, Window>();

function windowOf(chain: VerifiedChain): Window {
  const known = WINDOWS.get(chain);
  if (known !== undefined) return known;
  const certificates = [chain.vek.certificate, chain.intermediate, chain.root];
  const notBefore = Math.max(...certificates.map((certificate) => certificate.notBefore));
  const notAfter = Math.min(...certificates.map((certificate) => certificate.notAfter));
  const window = { notBefore, notAfter, text: `${isoTime(notBefore)} to ${isoTime(notAfter)}` };
  WINDOWS.set(chain, window);
  return window;
}

function isoTime(milliseconds: number): string {
  return Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString() : "unknown";
}

/**
 * ECDSA P-384 with SHA-384 over bytes 0x000 to 0x29F (AMD 56860 §7.3).
 *
 * @param withoutMitigations - whether the evidence left the mitigation vectors out; only for the words
 * @throws EvidenceRejected `report-signature`
 */
export function checkSignature(trail: SnpTrail, report: Report, vek: Vek, withoutMitigations: boolean): void {
  const signed = report.bytes.subarray(0, SIGNED_BYTES);
  const good = verifyP384(vek.certificate.publicKey, signed, reportSignature(report));
  const hint =
    report.version >= 5 && withoutMitigations
      ? "; the mitigation vectors are missing: the guest's agent is too old for report version 5"
      : "";
  trail.require("report-signature", good, good ? "valid" : `an invalid signature${hint}`);
}

/** REPORTED_TCB, part by part, against the SPLs of the certificate (AMD 57230 §3). @throws EvidenceRejected `vek-tcb` */
export function checkTcb(trail: SnpTrail, report: Report, vek: Vek): void {
  const parts = Object.entries(vek.tcb).map(([part, value]) => `${part} ${value ?? "absent"}`);
  const seen = `report ${tcbText(report.reportedTcb)}; certificate ${parts.join(", ")}`;
  trail.require("vek-tcb", tcbMatches(vek, report.reportedTcb), seen);
}

/** A VLEK belongs to no chip, and a masked chip id says nothing: whether that will do is for the settings. */
export function checkChipId(trail: SnpTrail, report: Report, vek: Vek): void {
  if (vek.subjectKind === "VLEK") {
    trail.passed("chip-id", "a VLEK names no chip");
    return;
  }
  if (isZero(report.chipId)) {
    trail.passed("chip-id", "masked (all zero)");
    return;
  }
  const length = hardwareIdLength(report.layout);
  const id = vek.hardwareId;
  const equal =
    id !== undefined &&
    id.length === length &&
    equalBytes(report.chipId.subarray(0, length), id) &&
    isZero(report.chipId.subarray(length));
  const seen = equal
    ? toHex(id)
    : `report ${toHex(report.chipId)}, certificate ${id === undefined ? "none" : toHex(id)}`;
  trail.require("chip-id", equal, seen);
}

/**
 * REPORT_DATA against the digest of nonce and TEE key, padded with zeros to 64 bytes (AMD 56860 §7.3; KBS protocol
 * 0.4.0, binding of evidence).
 *
 * @param digest - at most 64 bytes; `undefined` only offline, where the binding is told as not checked
 * @throws EvidenceRejected `report-data`
 */
export function checkReportData(trail: SnpTrail, report: Report, digest: Uint8Array | undefined): void {
  if (digest === undefined) {
    trail.notChecked("report-data", "the caller expects nothing");
    return;
  }
  const fits = digest.byteLength <= REPORT_DATA_BYTES;
  const equal = fits && equalBytes(report.reportData, resize(digest, REPORT_DATA_BYTES));
  const expected = fits ? toHex(resize(digest, REPORT_DATA_BYTES)) : "a binding of at most 64 bytes";
  trail.require("report-data", equal, toHex(report.reportData), expected);
}

/**
 * HOST_DATA against the init-data digest, which guests cut or pad to 32 bytes (AMD 56860 §7.3; KBS protocol 0.4.0
 * §2.10). Without init-data nothing is compared, and no claims of any appear.
 *
 * @throws EvidenceRejected `host-data`
 */
export function checkHostData(trail: SnpTrail, report: Report, digest: Uint8Array | undefined): void {
  if (digest === undefined) {
    trail.notChecked("host-data", "no init-data was sent");
    return;
  }
  const wanted = resize(digest, HOST_DATA_BYTES);
  const equal = digest.byteLength > 0 && equalBytes(report.hostData, wanted);
  trail.require("host-data", equal, toHex(report.hostData), toHex(wanted));
}
