import { toHex } from "../../../crypto/bytes.ts";
import type { JsonValue } from "../../../json/value.ts";
import { checkInitData, checkReportData } from "../../formats/dcap/bindings.ts";
import { addPlatformClaims, tdQuoteClaims } from "../../formats/dcap/claims.ts";
import type { DcapCollateralSource } from "../../formats/dcap/collateral.ts";
import { evidenceText, readEvidence } from "../../formats/dcap/evidence.ts";
import { appraisePlatform } from "../../formats/dcap/platform-settings.ts";
import { appraiseTd } from "../../formats/dcap/td-appraisal.ts";
import { DcapVerifier } from "../../formats/dcap/verify-quote.ts";
import { Trail } from "../../trail.ts";
import type { Expected, Verification, Verifier } from "../../verifier.ts";
import { TDX_CHECKS, type TdxCheck } from "./checks.ts";
import { checkEventLogs } from "./event-log.ts";
import { bareQuote, readTdxEvidence, type TdxEvidence } from "./evidence.ts";
import type { TdxSettings } from "./settings.ts";

/** Appraises TDX evidence. Everything it uses of the world is handed in. */
export class TdxVerifier implements Verifier {
  readonly tee = "tdx";
  readonly #settings: TdxSettings;
  readonly #quotes: DcapVerifier;

  constructor(settings: TdxSettings, source: DcapCollateralSource, now: () => number) {
    this.#settings = settings;
    this.#quotes = new DcapVerifier(source, settings, now);
  }

  verify(evidence: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readTdxEvidence(evidence), expected, signal);
  }

  /** The same for evidence that is still text. */
  verifyText(evidence: string | Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => readTdxEvidence(evidenceText(evidence)), expected, signal);
  }

  /** The same for a quote alone, as the kernel hands it out. */
  verifyBinary(quote: Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification> {
    return this.#verify(() => bareQuote(Buffer.from(quote)), expected, signal);
  }

  async #verify(read: () => TdxEvidence, expected: Expected, signal: AbortSignal): Promise<Verification> {
    const trail: Trail<TdxCheck> = new Trail("tdx", TDX_CHECKS);
    const evidence = readEvidence(trail, read);
    const attested = await this.#quotes.attestTd(trail, evidence.quote, signal);
    const { report } = attested.quote;
    checkReportData(trail, report.reportData, expected.runtimeDataDigest);
    checkInitData(trail, report.mrConfigId, expected.initDataDigest);
    const verified = await this.#quotes.appraise(trail, attested, signal);
    appraisePlatform(trail, verified, this.#settings);
    const eventClaims = checkEventLogs(trail, evidence, report, this.#settings);
    appraiseTd(trail, report, this.#settings);
    const claims = tdQuoteClaims(attested.quote);
    claims["report_data"] = toHex(report.reportData);
    claims["init_data"] = toHex(report.mrConfigId);
    addPlatformClaims(claims, verified);
    Object.assign(claims, eventClaims);
    return { checks: trail.checks, results: [{ teeClass: "cpu", claims }] };
  }
}
