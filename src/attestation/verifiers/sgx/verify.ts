import type { JsonValue } from "../../../json/value.ts";
import { checkInitData, checkReportData } from "../../formats/dcap/bindings.ts";
import { DCAP_CHECKS } from "../../formats/dcap/checks.ts";
import type { DcapCollateralSource } from "../../formats/dcap/collateral.ts";
import { evidenceText, readEvidence, readEvidenceQuote } from "../../formats/dcap/evidence.ts";
import { appraisePlatform } from "../../formats/dcap/platform-settings.ts";
import { DcapVerifier } from "../../formats/dcap/verify-quote.ts";
import { Trail } from "../../trail.ts";
import type { Expected, Verification, Verifier } from "../../verifier.ts";
import { appraiseEnclave } from "./appraise.ts";
import { SGX_CHECKS, type SgxTrailCheck } from "./checks.ts";
import { sgxClaims } from "./claims.ts";
import type { SgxSettings } from "./settings.ts";

/** Appraises SGX evidence. Everything it uses of the world is handed in. */
export class SgxVerifier implements Verifier {
  readonly tee = "sgx";
  readonly #settings: SgxSettings;
  readonly #quotes: DcapVerifier;

  constructor(settings: SgxSettings, source: DcapCollateralSource, now: () => number) {
    this.#settings = settings;
    this.#quotes = new DcapVerifier(source, settings, now);
  }

  verify(evidence: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readEvidenceQuote(evidence), expected, signal);
  }

  /** The same for evidence that is still text. */
  verifyText(evidence: string | Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readEvidenceQuote(evidenceText(evidence)), expected, signal);
  }

  /** The same for a quote alone, as the quoting library hands it out. */
  verifyBinary(quote: Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => Buffer.from(quote), expected, signal);
  }

  async #verify(read: () => Buffer, expected: Expected, signal: AbortSignal): Promise<Verification> {
    const trail: Trail<SgxTrailCheck> = new Trail("sgx", { ...DCAP_CHECKS, ...SGX_CHECKS });
    const attested = await this.#quotes.attestEnclave(trail, readEvidence(trail, read), signal);
    const { report } = attested.quote;
    checkReportData(trail, report.reportData, expected.runtimeDataDigest);
    checkInitData(trail, report.configId, expected.initDataDigest);
    const verified = await this.#quotes.appraise(trail, attested, signal);
    appraisePlatform(trail, verified, this.#settings);
    appraiseEnclave(trail, report, this.#settings);
    return {
      checks: trail.checks,
      results: [{ teeClass: "cpu", claims: sgxClaims(attested.quote, verified) }],
    };
  }
}
