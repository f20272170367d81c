import { TCB_STATUSES } from "../../attestation/formats/dcap/tcb-status.ts";
import { azSnpSection } from "../../attestation/verifiers/az-snp-vtpm/settings.ts";
import { AzSnpVerifier } from "../../attestation/verifiers/az-snp-vtpm/verify.ts";
import { azTdxSection } from "../../attestation/verifiers/az-tdx-vtpm/settings.ts";
import { AzTdxVerifier } from "../../attestation/verifiers/az-tdx-vtpm/verify.ts";
import { readIntelCollateral } from "./dcap.ts";
import { jsonEvidence, NEVER, type OfflineVerifier, parseSettings } from "./inputs.ts";
import { readAmdEndorsements } from "./snp.ts";

/** Which paravisor it is, the claims tell; whether it is the right one is the operator's question. */
const SNP_IS_ENOUGH = {
  dangerouslyAcceptAnyParavisor: true,
  allowDebug: true,
  allowMigrationAgent: true,
  allowMaskedChipId: true,
};
const TDX_IS_ENOUGH = { allowDebug: true, allowedTcbStatuses: TCB_STATUSES, allowServiceTd: true };

/** Evidence of SEV-SNP VMs on Azure. */
export const verifyAzSnpOffline: OfflineVerifier = async (one) => {
  const settings = parseSettings(azSnpSection, one.request, SNP_IS_ENOUGH);
  const verifier = new AzSnpVerifier(settings, await readAmdEndorsements(one), () => one.at);
  return await verifier.verify(await jsonEvidence(one), one.expected, NEVER);
};

/** Evidence of TDX VMs on Azure. */
export const verifyAzTdxOffline: OfflineVerifier = async (one) => {
  const settings = parseSettings(azTdxSection, one.request, TDX_IS_ENOUGH);
  const verifier = new AzTdxVerifier(settings, await readIntelCollateral(one), () => one.at);
  return await verifier.verify(await jsonEvidence(one), one.expected, NEVER);
};
