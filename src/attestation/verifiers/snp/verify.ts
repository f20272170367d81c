import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { equalBytes, isZero, resize, toHex } from "../../../crypto/bytes.ts";
import { verifyP384 } from "../../../crypto/ecdsa.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonValue } from "../../../json/value.ts";
import { type ChainInput, type VerifiedChain, verifyChain } from "../../formats/sev-snp/chain.ts";
import { SNP_CHECKS, type SnpCheck } from "../../formats/sev-snp/checks.ts";
import type { AmdEndorsements, FoundVek, VekQuery } from "../../formats/sev-snp/endorsements.ts";
import type { Product } from "../../formats/sev-snp/product.ts";
import {
  hasBit,
  POLICY_FIRST_RESERVED,
  POLICY_RESERVED_ONE,
  type Report,
  readReport,
  reportProduct,
  reportSignature,
  reservedBytesSet,
  SIGNED_BYTES,
  signingKeyKind,
  tcbText,
} from "../../formats/sev-snp/report.ts";
import { checkRevocation } from "../../formats/sev-snp/revocation.ts";
import { isDevelopmentRoot } from "../../formats/sev-snp/trust-anchors.ts";
import { hardwareIdLength, tcbMatches, type Vek } from "../../formats/sev-snp/vek.ts";
import { Trail } from "../../trail.ts";
import {
  type Check,
  EvidenceRejected,
  type Expected,
  type Verification,
  type Verifier,
} from "../../verifier.ts";
import { appraise } from "./appraise.ts";
import { snpClaims } from "./claims.ts";
import { EvidenceFormatError, readBinaryEvidence, readSnpEvidence, type SnpEvidence } from "./evidence.ts";
import type { SnpSettings } from "./settings.ts";

type SnpTrail = Trail<SnpCheck>;

const REPORT_DATA_BYTES = 64;
const HOST_DATA_BYTES = 32;
/** Verified chains kept: one per chip and TCB, or per provider. An entry is a few kilobytes. */
const MAX_CHAINS = 4096;

interface FoundChain extends ChainInput {
  /** Present when the certificate was fetched and may be kept once its report proved genuine. */
  readonly keep?: FoundVek["keep"] | undefined;
}

interface KeptChain {
  readonly chain: VerifiedChain;
  /** The checks that established it, to be told again. */
  readonly checks: readonly Check[];
}

/** Appraises SEV-SNP evidence. Everything it uses of the world is handed in. */
export class SnpVerifier implements Verifier {
  readonly tee = "snp";
  readonly #settings: SnpSettings;
  readonly #endorsements: AmdEndorsements;
  readonly #now: () => number;
  /** Roots and intermediates at hand never change in one verifier, so the certificates alone are the key. */
  readonly #chains = new LRUCache<string, KeptChain>({ max: MAX_CHAINS });

  constructor(settings: SnpSettings, endorsements: AmdEndorsements, now: () => number) {
    this.#settings = settings;
    this.#endorsements = endorsements;
    this.#now = now;
  }

  verify(evidence: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readSnpEvidence(evidence), expected, signal);
  }

  /** The same for evidence that is still text: it is read exactly, which `JSON.parse` does not do. */
  verifyText(evidence: string | Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readSnpEvidence(parseText(evidence)), expected, signal);
  }

  /** The same for the kernel's own form: 1184 bytes of report, then the certificate table if there is one. */
  verifyBinary(evidence: Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readBinaryEvidence(evidence), expected, signal);
  }

  async #verify(read: () => SnpEvidence, expected: Expected, signal: AbortSignal): Promise<Verification> {
    const trail: SnpTrail = new Trail("snp", SNP_CHECKS);
    const evidence = parseEvidence(trail, read);
    const report = readReport(evidence.report);
    checkStructure(trail, report, this.#settings);
    const { keep, ...input } = await this.#findCertificates(trail, evidence, report, signal);
    const chain = this.#verifyChain(trail, input);
    checkKeyKind(trail, report, chain.vek, input.label);
    checkProduct(trail, report, chain);
    checkValidity(trail, chain, this.#now(), this.#settings);
    await this.#checkRevocation(trail, chain, signal);
    checkSignature(trail, report, chain.vek, evidence.withoutMitigations);
    await keep?.();
    checkTcb(trail, report, chain.vek);
    checkChipId(trail, report, chain.vek);
    checkReportData(trail, report, expected.runtimeDataDigest);
    checkHostData(trail, report, expected.initDataDigest);
    appraise(trail, report, chain, this.#settings);
    return { checks: trail.checks, results: [{ teeClass: "cpu", claims: snpClaims(report, chain) }] };
  }

  async #findCertificates(
    trail: SnpTrail,
    { certificates }: SnpEvidence,
    report: Report,
    signal: AbortSignal,
  ): Promise<FoundChain> {
    checkCollateral(trail, this.#endorsements.faults);
    const labelled = (wanted: string) =>
      certificates.filter(({ label }) => label === wanted).map(({ data }) => data);
    const authorities = { asks: labelled("ASK"), arks: labelled("ARK") };
    const carried = certificates.find(({ label }) => label === "VCEK" || label === "VLEK");
    if (carried !== undefined) {
      const label = carried.label === "VLEK" ? "VLEK" : "VCEK";
      trail.passed("vek-available", `${label} in the evidence`);
      return { vek: carried.data, label, ...authorities };
    }
    const { der, keep } = await this.#fetchVek(trail, report, signal);
    return { vek: der, label: undefined, ...authorities, keep };
  }

  async #fetchVek(trail: SnpTrail, report: Report, signal: AbortSignal): Promise<FoundVek> {
    const kind = signingKeyKind(report) ?? "VCEK";
    const product = reportProduct(report);
    const query: VekQuery = {
      kind,
      products: product === undefined ? ["Milan", "Genoa"] : [product],
      chipId: report.chipId,
      layout: report.layout,
      tcb: report.reportedTcb,
    };
    const found = await this.#endorsements.vek(query, (der) => this.#isFor(der, report), signal);
    if (found === undefined) throw trail.failed("vek-available", whyNone(kind, report));
    trail.passed("vek-available", `${kind} from ${found.origin}`);
    return found;
  }

  /** Whether a certificate from elsewhere verifies and was made for the chip and TCB that were asked for. */
  #isFor(der: Buffer, report: Report): boolean {
    const trial: SnpTrail = new Trail("snp", SNP_CHECKS);
    try {
      const { vek } = this.#verifyChain(trial, { vek: der, label: undefined, asks: [], arks: [] });
      checkTcb(trial, report, vek);
      checkChipId(trial, report, vek);
      return true;
    } catch (error) {
      if (error instanceof EvidenceRejected) return false;
      throw error;
    }
  }

  #verifyChain(trail: SnpTrail, input: ChainInput): VerifiedChain {
    const key = chainKey(input);
    const kept = this.#chains.get(key);
    if (kept !== undefined) {
      trail.repeat(kept.checks);
      return kept.chain;
    }
    const before = trail.checks.length;
    const chain = verifyChain(trail, input, this.#endorsements.anchors);
    this.#chains.set(key, { chain, checks: trail.checks.slice(before) });
    return chain;
  }

  async #checkRevocation(trail: SnpTrail, chain: VerifiedChain, signal: AbortSignal): Promise<void> {
    checkRevocation(
      trail,
      chain,
      await this.#revocationLists(chain, signal),
      this.#settings.revocation,
      this.#now(),
    );
  }

  async #revocationLists({ product, vek, root }: VerifiedChain, signal: AbortSignal) {
    const mode = this.#settings.revocation;
    // Nobody publishes lists for a development root: AMD is not to be asked about it.
    if (mode === "dangerously-off" || isDevelopmentRoot(root)) return [];
    const kind = vek.issuerKind ?? "VCEK";
    return await this.#endorsements.revocationLists(product, kind, mode === "required", signal);
  }
}

/** Digest over everything `verifyChain` looks at; the label is compared for each evidence anew. */
function chainKey({ vek, asks, arks }: ChainInput): string {
  const hash = createHash("sha256");
  for (const [kind, items] of [
    ["v", [vek]],
    ["i", asks],
    ["r", arks],
  ] as const)
    for (const item of items) hash.update(`${kind}${item.length}:`).update(item);
  return hash.digest("base64");
}

function parseText(evidence: string | Uint8Array): JsonValue {
  try {
    return readJson(evidence);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new EvidenceFormatError([`not JSON: ${error.message}`]);
    throw error;
  }
}

function parseEvidence(trail: SnpTrail, read: () => SnpEvidence): SnpEvidence {
  try {
    const evidence = read();
    trail.passed("evidence-format", `a report and ${evidence.certificates.length} certificate(s)`);
    return evidence;
  } catch (error) {
    if (!(error instanceof EvidenceFormatError)) throw error;
    throw trail.failed("evidence-format", `malformed evidence: ${error.message}`);
  }
}

/** Cheap checks that need no key: they spare a request for certificates, and prove nothing yet. */
function checkStructure(trail: SnpTrail, report: Report, { minimumReportVersion }: SnpSettings): void {
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

function checkCollateral(trail: SnpTrail, faults: readonly string[]): void {
  if (faults.length > 0) throw trail.failed("collateral-format", faults.join("; "));
}

function whyNone(kind: "VCEK" | "VLEK", report: Report): string {
  if (kind === "VLEK") return "no certificate; a VLEK has to come with the evidence";
  if (isZero(report.chipId)) return "no certificate in the evidence, and the chip id is masked";
  return "no certificate in the evidence, and no source has one for this chip and TCB";
}

function cpuidText({ cpuid }: Report): string {
  if (cpuid === undefined) return "no CPUID";
  return `CPUID family 0x${cpuid.family.toString(16)}, model 0x${cpuid.model.toString(16)}`;
}

/** Report, label, subject and issuer have to agree; the label alone proves nothing. */
function checkKeyKind(trail: SnpTrail, report: Report, vek: Vek, label: string | undefined): void {
  const kind = signingKeyKind(report);
  const agree =
    kind !== undefined && kind === vek.subjectKind && kind === vek.issuerKind && (label ?? kind) === kind;
  const seen = `report ${kind}, label ${label ?? "none"}, subject ${vek.subjectKind}, issuer ${vek.issuerKind}`;
  trail.require("key-kind", agree, seen);
}

function checkProduct(trail: SnpTrail, report: Report, chain: VerifiedChain): void {
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

function checkValidity(trail: SnpTrail, chain: VerifiedChain, now: number, settings: SnpSettings): void {
  const certificates = [chain.vek.certificate, chain.intermediate, chain.root];
  const notBefore = Math.max(...certificates.map((certificate) => certificate.notBefore));
  const notAfter = Math.min(...certificates.map((certificate) => certificate.notAfter));
  const window = `${isoTime(notBefore)} to ${isoTime(notAfter)}`;
  if (settings.dangerouslyIgnoreCertificateValidity) {
    trail.notChecked("certificate-validity", `switched off by the settings; valid ${window}`);
    return;
  }
  // Written so that a clock that gives no number refuses.
  const valid = now >= notBefore && now <= notAfter;
  trail.require("certificate-validity", valid, `valid ${window}, time is ${isoTime(now)}`);
}

function isoTime(milliseconds: number): string {
  return Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString() : "unknown";
}

function checkSignature(trail: SnpTrail, report: Report, vek: Vek, withoutMitigations: boolean): void {
  const signed = report.bytes.subarray(0, SIGNED_BYTES);
  const good = verifyP384(vek.certificate.publicKey, signed, reportSignature(report));
  const hint =
    report.version >= 5 && withoutMitigations
      ? "; the mitigation vectors are missing: the guest's agent is too old for report version 5"
      : "";
  trail.require("report-signature", good, good ? "valid" : `an invalid signature${hint}`);
}

function checkTcb(trail: SnpTrail, report: Report, vek: Vek): void {
  const parts = Object.entries(vek.tcb).map(([part, value]) => `${part} ${value ?? "absent"}`);
  const seen = `report ${tcbText(report.reportedTcb)}; certificate ${parts.join(", ")}`;
  trail.require("vek-tcb", tcbMatches(vek, report.reportedTcb), seen);
}

/** A VLEK belongs to no chip, and a masked chip id says nothing: whether that will do is for the settings. */
function checkChipId(trail: SnpTrail, report: Report, vek: Vek): void {
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

function checkReportData(trail: SnpTrail, report: Report, digest: Uint8Array | undefined): void {
  if (digest === undefined) {
    trail.notChecked("report-data", "the caller expects nothing");
    return;
  }
  const fits = digest.byteLength <= REPORT_DATA_BYTES;
  const equal = fits && equalBytes(report.reportData, resize(digest, REPORT_DATA_BYTES));
  const expected = fits ? toHex(resize(digest, REPORT_DATA_BYTES)) : "a binding of at most 64 bytes";
  trail.require("report-data", equal, toHex(report.reportData), expected);
}

function checkHostData(trail: SnpTrail, report: Report, digest: Uint8Array | undefined): void {
  if (digest === undefined) {
    trail.notChecked("host-data", "no init-data was sent");
    return;
  }
  const wanted = resize(digest, HOST_DATA_BYTES);
  const equal = digest.byteLength > 0 && equalBytes(report.hostData, wanted);
  trail.require("host-data", equal, toHex(report.hostData), toHex(wanted));
}
