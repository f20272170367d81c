import type { DcapCollateralSource } from "../../formats/dcap/collateral.ts";
import type { VerifierDriver } from "../../verifier.ts";
import { type TdxSettings, tdxSection } from "./settings.ts";
import { TdxVerifier } from "./verify.ts";

/** Intel TDX: quotes of versions 4 and 5, TD reports 1.0 and 1.5. */
export const tdxDriver: VerifierDriver<TdxSettings, DcapCollateralSource> = {
  tee: "tdx",
  config: tdxSection,
  create: (config, { now, collateral }) => new TdxVerifier(config, collateral, now),
};
