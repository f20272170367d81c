/**
 * The order of trust of an SNP report: form, key, chain to a pinned root, revocation, signature, chip; then what an
 * operator demands of it. Drivers put their own bindings between the two halves.
 */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { isZero } from "../../../crypto/bytes.ts";
import { Trail } from "../../trail.ts";
import { type Check, EvidenceRejected } from "../../verifier.ts";
import type { LabelledCertificate } from "./certificate-table.ts";
import { type ChainInput, type VerifiedChain, verifyChain } from "./chain.ts";
import { SNP_CHECKS, type SnpCheck } from "./checks.ts";
import type { SnpDemands } from "./demands.ts";
import type { AmdEndorsements, FoundVek, VekQuery } from "./endorsements.ts";
import { type Report, readReport, reportProduct, signingKeyKind } from "./report.ts";
import { appraiseReport } from "./report-appraisal.ts";
import {
  checkChipId,
  checkKeyKind,
  checkProduct,
  checkSignature,
  checkStructure,
  checkTcb,
  checkValidity,
} from "./report-steps.ts";
import { checkRevocation } from "./revocation.ts";
import { isDevelopmentRoot } from "./trust-anchors.ts";

type SnpTrail = Trail<SnpCheck>;

/** A report as it came with evidence, and the certificates beside it. */
export interface CarriedReport {
  /** Exactly 1184 bytes. */
  readonly report: Buffer;
  /** Whether the evidence left the mitigation vectors out; only for the words of a refusal. */
  readonly withoutMitigations: boolean;
  readonly certificates: readonly LabelledCertificate[];
}

/** A report that a genuine chip's firmware signed. */
export interface GenuineReport {
  readonly report: Report;
  readonly chain: VerifiedChain;
}

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

/** Verifies SNP reports, whatever evidence they come in. Everything it uses of the world is handed in. */
export class SnpReportVerifier {
  readonly #demands: SnpDemands;
  readonly #endorsements: AmdEndorsements;
  readonly #now: () => number;
  /** Roots and intermediates at hand never change in one verifier, so the certificates alone are the key. */
  readonly #chains = new LRUCache<string, KeptChain>({ max: MAX_CHAINS });

  constructor(demands: SnpDemands, endorsements: AmdEndorsements, now: () => number) {
    this.#demands = demands;
    this.#endorsements = endorsements;
    this.#now = now;
  }

  /**
   * Verifies that firmware of a genuine chip signed the report.
   *
   * @throws EvidenceRejected; KbsError `collateral-unavailable`
   */
  async attest(trail: SnpTrail, carried: CarriedReport, signal: AbortSignal): Promise<GenuineReport> {
    const report = readReport(carried.report);
    checkStructure(trail, report, this.#demands);
    const { keep, ...input } = await this.#findCertificates(trail, carried, report, signal);
    const chain = this.#verifyChain(trail, input);
    checkKeyKind(trail, report, chain.vek, input.label);
    checkProduct(trail, report, chain);
    checkValidity(trail, chain, this.#now(), this.#demands);
    await this.#checkRevocation(trail, chain, signal);
    checkSignature(trail, report, chain.vek, carried.withoutMitigations);
    await keep?.();
    checkTcb(trail, report, chain.vek);
    checkChipId(trail, report, chain.vek);
    return { report, chain };
  }

  /** @throws EvidenceRejected naming the first demand that the report does not meet */
  appraise(trail: SnpTrail, { report, chain }: GenuineReport): void {
    appraiseReport(trail, report, chain, this.#demands);
  }

  async #findCertificates(
    trail: SnpTrail,
    { certificates }: CarriedReport,
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
      this.#demands.revocation,
      this.#now(),
    );
  }

  async #revocationLists({ product, vek, root }: VerifiedChain, signal: AbortSignal) {
    const mode = this.#demands.revocation;
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

function checkCollateral(trail: SnpTrail, faults: readonly string[]): void {
  if (faults.length > 0) throw trail.failed("collateral-format", faults.join("; "));
}

function whyNone(kind: "VCEK" | "VLEK", report: Report): string {
  if (kind === "VLEK") return "no certificate; a VLEK has to come with the evidence";
  if (isZero(report.chipId)) return "no certificate in the evidence, and the chip id is masked";
  return "no certificate in the evidence, and no source has one for this chip and TCB";
}
