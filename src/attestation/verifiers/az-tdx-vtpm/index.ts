import type { DcapCollateralSource } from "../../formats/dcap/collateral.ts";
import type { VerifierDriver } from "../../verifier.ts";
import { type AzTdxSettings, azTdxSection } from "./settings.ts";
import { AzTdxVerifier } from "./verify.ts";

/** TDX confidential VMs on Azure, whose paravisor gives them a virtual TPM. */
export const azTdxDriver: VerifierDriver<AzTdxSettings, DcapCollateralSource> = {
  tee: "az-tdx-vtpm",
  config: azTdxSection,
  create: (config, { now, collateral }) => new AzTdxVerifier(config, collateral, now),
};
