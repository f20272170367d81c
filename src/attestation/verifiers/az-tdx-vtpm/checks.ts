import { AZURE_CHECKS } from "../../formats/azure-hcl/checks.ts";
import { DCAP_CHECKS } from "../../formats/dcap/checks.ts";
import { TD_CHECKS } from "../../formats/dcap/td-checks.ts";
import type { CheckDescription } from "../../trail.ts";

/**
 * Checks of this kind of evidence itself. Those of the TD quote inside, which are the checks of a quote on bare metal,
 * are told with `tdx-` in front of their names, before `hw-report`.
 */
export const AZ_TDX_CHECKS = {
  malformed: AZURE_CHECKS.malformed,
  "evidence-version": AZURE_CHECKS["evidence-version"],
  "hcl-malformed": AZURE_CHECKS["hcl-malformed"],
  "var-data-binding": AZURE_CHECKS["var-data-binding"],
  "td-report-mismatch": {
    expected: "a TDREPORT in the paravisor's report that says what the quote says",
    source: "Azure confidential VMs, HCL attestation report; Intel TDX module ABI 1.5, TDREPORT",
  },
  "hw-report": AZURE_CHECKS["hw-report"],
  "mr-td": { expected: "a paravisor the settings allow, by MRTD", source: "operator settings" },
  ak: AZURE_CHECKS.ak,
  "tpm-attest": AZURE_CHECKS["tpm-attest"],
  "tpm-signature": AZURE_CHECKS["tpm-signature"],
  "pcr-selection": AZURE_CHECKS["pcr-selection"],
  "pcr-digest": AZURE_CHECKS["pcr-digest"],
  nonce: AZURE_CHECKS.nonce,
  "init-data": AZURE_CHECKS["init-data"],
  "user-data": AZURE_CHECKS["user-data"],
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type AzTdxCheck = keyof typeof AZ_TDX_CHECKS;

/** Checks of the TD quote that is carried here. */
export const AZ_TDX_QUOTE_CHECKS = { ...DCAP_CHECKS, ...TD_CHECKS } as const;
export type AzTdxQuoteCheck = keyof typeof AZ_TDX_QUOTE_CHECKS;
