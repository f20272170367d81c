import { AZURE_CHECKS } from "../../formats/azure-hcl/checks.ts";
import { SNP_CHECKS } from "../../formats/sev-snp/checks.ts";
import type { CheckDescription } from "../../trail.ts";

/**
 * Checks of this kind of evidence itself. Those of the SNP report inside, which are the checks of a report on bare
 * metal, are told with `snp-` in front of their names, before `hw-report`.
 */
export const AZ_SNP_CHECKS = {
  malformed: AZURE_CHECKS.malformed,
  "evidence-version": AZURE_CHECKS["evidence-version"],
  "cert-malformed": {
    expected: "a PEM certificate in the VCEK text (version 0)",
    source: "Confidential Containers az-snp-vtpm evidence",
  },
  "hcl-malformed": AZURE_CHECKS["hcl-malformed"],
  "var-data-binding": AZURE_CHECKS["var-data-binding"],
  "hw-report": AZURE_CHECKS["hw-report"],
  ak: AZURE_CHECKS.ak,
  "tpm-attest": AZURE_CHECKS["tpm-attest"],
  "tpm-signature": AZURE_CHECKS["tpm-signature"],
  "pcr-selection": AZURE_CHECKS["pcr-selection"],
  "pcr-digest": AZURE_CHECKS["pcr-digest"],
  nonce: AZURE_CHECKS.nonce,
  "init-data": AZURE_CHECKS["init-data"],
  "user-data": AZURE_CHECKS["user-data"],
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type AzSnpCheck = keyof typeof AZ_SNP_CHECKS;

/** Checks of bare SNP evidence that this kind has in another form: its own parser and its own bindings. */
const REPLACED: readonly string[] = ["evidence-format", "report-data", "host-data"];

/** Checks of the SNP report that come with this evidence, without the prefix. */
export const AZ_SNP_REPORT_CHECKS: readonly string[] = Object.keys(SNP_CHECKS).filter(
  (name) => !REPLACED.includes(name),
);
