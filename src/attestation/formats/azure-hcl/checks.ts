import type { CheckDescription } from "../../trail.ts";
import { QUOTE_CHECKS } from "../tpm2/quote-checks.ts";

const HCL = "Azure confidential VMs, HCL attestation report";
const GUEST = "Confidential Containers az-snp-vtpm and az-tdx-vtpm evidence";

/** Checks that both kinds of confidential VM on Azure have, besides those of the hardware report. */
export const AZURE_CHECKS = {
  malformed: { expected: "evidence JSON of version 0, 1 or 2 with a quote over 24 PCRs", source: GUEST },
  "evidence-version": {
    expected: "a version from the configured minimum on (setting minimumEvidenceVersion)",
    source: "operator settings",
  },
  "hcl-malformed": {
    expected: "a paravisor's report of this kind of hardware, whose sizes all agree",
    source: HCL,
  },
  "hw-report": {
    expected: "a hardware report that passes every check of its own kind",
    source: "the checks named before it",
  },
  "var-data-binding": {
    expected: "SHA-256 of the variable data in the hardware report's report data, then zeros",
    source: HCL,
  },
  ak: {
    expected: "exactly one attestation key HCLAkPub: RSA, at least 2048 bits, exponent 65537",
    source: HCL,
  },
  ...QUOTE_CHECKS,
  "user-data": {
    expected: "the expected binding, padded with zeros to 64 bytes, as user data (version 2)",
    source: `${HCL}; ${GUEST}`,
  },
} as const satisfies Readonly<Record<string, CheckDescription>>;
export type AzureCheck = keyof typeof AZURE_CHECKS;
