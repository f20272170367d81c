import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { isZero } from "../../../crypto/bytes.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonValue } from "../../../json/value.ts";
import { type ChainInput, type VerifiedChain, verifyChain } from "../../formats/sev-snp/chain.ts";
import { SNP_CHECKS, type SnpCheck } from "../../formats/sev-snp/checks.ts";
import type { AmdEndorsements, FoundVek, VekQuery } from "../../formats/sev-snp/endorsements.ts";
import { type Report, readReport, reportProduct, signingKeyKind } from "../../formats/sev-snp/report.ts";
import { checkRevocation } from "../../formats/sev-snp/revocation.ts";
import { isDevelopmentRoot } from "../../formats/sev-snp/trust-anchors.ts";
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
import {
  checkChipId,
  checkHostData,
  checkKeyKind,
  checkProduct,
  checkReportData,
  checkSignature,
  checkStructure,
  checkTcb,
  checkValidity,
} from "./steps.ts";

type SnpTrail = Trail<SnpCheck>;

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

function checkCollateral(trail: SnpTrail, faults: readonly string[]): void {
  if (faults.length > 0) throw trail.failed("collateral-format", faults.join("; "));
}

function whyNone(kind: "VCEK" | "VLEK", report: Report): string {
  if (kind === "VLEK") return "no certificate; a VLEK has to come with the evidence";
  if (isZero(report.chipId)) return "no certificate in the evidence, and the chip id is masked";
  return "no certificate in the evidence, and no source has one for this chip and TCB";
}
