import type { AmdEndorsements } from "../../formats/sev-snp/endorsements.ts";
import type { VerifierDriver } from "../../verifier.ts";
import { type AzSnpSettings, azSnpSection } from "./settings.ts";
import { AzSnpVerifier } from "./verify.ts";

/** SEV-SNP confidential VMs on Azure, whose paravisor gives them a virtual TPM. */
export const azSnpDriver: VerifierDriver<AzSnpSettings, AmdEndorsements> = {
  tee: "az-snp-vtpm",
  config: azSnpSection,
  create: (config, { now, collateral }) => new AzSnpVerifier(config, collateral, now),
};
