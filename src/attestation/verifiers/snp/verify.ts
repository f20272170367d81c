import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonValue } from "../../../json/value.ts";
import { SNP_CHECKS, type SnpCheck } from "../../formats/sev-snp/checks.ts";
import type { AmdEndorsements } from "../../formats/sev-snp/endorsements.ts";
import { snpClaims } from "../../formats/sev-snp/report-claims.ts";
import { checkHostData, checkReportData } from "../../formats/sev-snp/report-steps.ts";
import { SnpReportVerifier } from "../../formats/sev-snp/verify-report.ts";
import { Trail } from "../../trail.ts";
import type { Expected, Verification, Verifier } from "../../verifier.ts";
import { EvidenceFormatError, readBinaryEvidence, readSnpEvidence, type SnpEvidence } from "./evidence.ts";
import type { SnpSettings } from "./settings.ts";

type SnpTrail = Trail<SnpCheck>;

/** Appraises SEV-SNP evidence. Everything it uses of the world is handed in. */
export class SnpVerifier implements Verifier {
  readonly tee = "snp";
  readonly #reports: SnpReportVerifier;

  constructor(settings: SnpSettings, endorsements: AmdEndorsements, now: () => number) {
    this.#reports = new SnpReportVerifier(settings, endorsements, now);
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
    const genuine = await this.#reports.attest(trail, evidence, signal);
    const { report, chain } = genuine;
    checkReportData(trail, report, expected.runtimeDataDigest);
    checkHostData(trail, report, expected.initDataDigest);
    this.#reports.appraise(trail, genuine);
    return { checks: trail.checks, results: [{ teeClass: "cpu", claims: snpClaims(report, chain) }] };
  }
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
