import type { VerifierDriver } from "../../verifier.ts";
import { type TpmSettings, tpmSection } from "./settings.ts";
import type { TpmTrust } from "./trust.ts";
import { TpmVerifier } from "./verify.ts";

/** TPM 2.0 of any host: quotes by RSA and ECC keys over any banks. */
export const tpmDriver: VerifierDriver<TpmSettings, TpmTrust> = {
  tee: "tpm",
  config: tpmSection,
  create: (config, { now, collateral }) => new TpmVerifier(config, collateral, now),
};
