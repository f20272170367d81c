import type { AmdEndorsements } from "../../formats/sev-snp/endorsements.ts";
import type { VerifierDriver } from "../../verifier.ts";
import { type SnpSettings, snpSection } from "./settings.ts";
import { SnpVerifier } from "./verify.ts";

/** AMD SEV-SNP: reports of versions 2 to 5 on Milan, Genoa (Bergamo, Siena) and Turin. */
export const snpDriver: VerifierDriver<SnpSettings, AmdEndorsements> = {
  tee: "snp",
  config: snpSection,
  create: (config, { now, collateral }) => new SnpVerifier(config, collateral, now),
};
