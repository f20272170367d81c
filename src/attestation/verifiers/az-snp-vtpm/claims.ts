import { toHex } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import { snpClaims } from "../../formats/sev-snp/report-claims.ts";
import type { GenuineReport } from "../../formats/sev-snp/verify-report.ts";

/**
 * Claims about the SNP report, all of them text here, as the reference implementation has it and stock policies compare
 * it; the measurement is in base64 for the same reason. What the report binds is under another name, for `report_data`
 * and `init_data` are the vTPM's.
 */
export function azSnpReportClaims({ report, chain }: GenuineReport): JsonObject {
  const claims = Object.entries(snpClaims(report, chain)).map(([name, value]) => [name, String(value)]);
  return {
    ...Object.fromEntries(claims),
    measurement: report.measurement.toString("base64"),
    snp_report_data: toHex(report.reportData),
    snp_host_data: toHex(report.hostData),
  };
}
