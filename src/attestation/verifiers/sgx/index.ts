import type { DcapCollateralSource } from "../../formats/dcap/collateral.ts";
import type { VerifierDriver } from "../../verifier.ts";
import { type SgxSettings, sgxSection } from "./settings.ts";
import { SgxVerifier } from "./verify.ts";

/** Intel SGX: quotes of versions 3, 4 and 5. */
export const sgxDriver: VerifierDriver<SgxSettings, DcapCollateralSource> = {
  tee: "sgx",
  config: sgxSection,
  create: (config, { now, collateral }) => new SgxVerifier(config, collateral, now),
};
