import { toHex } from "../../../crypto/bytes.ts";
import type { JsonValue } from "../../../json/value.ts";
import { readAzureTdxEvidence } from "../../formats/azure-hcl/evidence.ts";
import type { HclReport } from "../../formats/azure-hcl/hcl-report.ts";
import {
  asHardwareReport,
  checkBinding,
  parseAzureEvidence,
  parseHclReport,
  verifyVtpm,
  vtpmClaims,
} from "../../formats/azure-hcl/vtpm.ts";
import { platformClaims, tdQuoteClaims } from "../../formats/dcap/claims.ts";
import type { DcapCollateralSource } from "../../formats/dcap/collateral.ts";
import { appraisePlatform } from "../../formats/dcap/platform-settings.ts";
import type { TdQuote } from "../../formats/dcap/quote.ts";
import type { TdReport } from "../../formats/dcap/reports.ts";
import { appraiseTd } from "../../formats/dcap/td-appraisal.ts";
import { type AttestedQuote, DcapVerifier, type VerifiedQuote } from "../../formats/dcap/verify-quote.ts";
import { Trail } from "../../trail.ts";
import type { Expected, Verification, Verifier } from "../../verifier.ts";
import { AZ_TDX_CHECKS, AZ_TDX_QUOTE_CHECKS, type AzTdxCheck, type AzTdxQuoteCheck } from "./checks.ts";
import type { AzTdxSettings } from "./settings.ts";
import { tdReportMismatch } from "./td-report.ts";

type AzTdxTrail = Trail<AzTdxCheck>;

/** Appraises evidence of TDX VMs on Azure. Everything it uses of the world is handed in. */
export class AzTdxVerifier implements Verifier {
  readonly tee = "az-tdx-vtpm";
  readonly #settings: AzTdxSettings;
  readonly #quotes: DcapVerifier;

  constructor(settings: AzTdxSettings, source: DcapCollateralSource, now: () => number) {
    this.#settings = settings;
    this.#quotes = new DcapVerifier(source, settings, now);
  }

  async verify(json: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification> {
    const trail: AzTdxTrail = new Trail("az-tdx-vtpm", AZ_TDX_CHECKS);
    const { minimumEvidenceVersion } = this.#settings;
    const evidence = parseAzureEvidence(trail, () => readAzureTdxEvidence(json), minimumEvidenceVersion);
    const hcl = parseHclReport(trail, evidence.hclReport, "tdx");
    const { attested, verified } = await this.#verifyQuote(trail, hcl, evidence.tdQuote, signal);
    checkMrTd(trail, attested.quote.report, this.#settings);
    const vtpm = verifyVtpm(trail, evidence, hcl, expected);
    const claims = {
      ...tdQuoteClaims(attested.quote),
      ...platformClaims(verified),
      ...vtpmClaims(evidence, hcl, vtpm),
    };
    return { checks: trail.checks, results: [{ teeClass: "cpu", claims }] };
  }

  /** The bindings come between the two halves, so that only quotes that belong here cause requests for collateral. */
  async #verifyQuote(
    trail: AzTdxTrail,
    hcl: HclReport,
    quote: Buffer,
    signal: AbortSignal,
  ): Promise<{ readonly attested: AttestedQuote<TdQuote>; readonly verified: VerifiedQuote }> {
    const inner: Trail<AzTdxQuoteCheck> = new Trail("tdx", AZ_TDX_QUOTE_CHECKS);
    const attested = await asHardwareReport(trail, "tdx", inner, () =>
      this.#quotes.attestTd(inner, quote, signal),
    );
    checkBinding(trail, hcl, attested.quote.report.reportData);
    checkTdReport(trail, hcl, attested.quote.report);
    const verified = await asHardwareReport(trail, "tdx", inner, async () => {
      const rated = await this.#quotes.appraise(inner, attested, signal);
      appraisePlatform(inner, rated, this.#settings);
      appraiseTd(inner, attested.quote.report, this.#settings);
      return rated;
    });
    trail.passed("hw-report", `a TD quote, ${verified.tcb.status}`);
    return { attested, verified };
  }
}

function checkTdReport(trail: AzTdxTrail, { hardwareReport }: HclReport, report: TdReport): void {
  const mismatch = tdReportMismatch(hardwareReport, report);
  trail.require("td-report-mismatch", mismatch === undefined, mismatch ?? "equal in all fields");
}

function checkMrTd(trail: AzTdxTrail, { mrTd }: TdReport, { allowedMrTds }: AzTdxSettings): void {
  const seen = toHex(mrTd);
  trail.require("mr-td", allowedMrTds?.includes(seen) ?? true, seen);
}
