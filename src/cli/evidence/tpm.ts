import { NO_ENROLMENTS } from "../../attestation/formats/tpm2/ak-registry.ts";
import { authoritiesFromPem } from "../../attestation/formats/tpm2/certificate-chain.ts";
import { AK_TRUST, tpmSection } from "../../attestation/verifiers/tpm/settings.ts";
import { TpmVerifier } from "../../attestation/verifiers/tpm/verify.ts";
import { DerError } from "../../crypto/der.ts";
import { jsonEvidence, NEVER, type OfflineVerifier, parseSettings, readAnchorTexts } from "./inputs.ts";
import { malformed } from "./request.ts";

/** Nobody enrols a key for this command: the claim `ak_trust` tells what stands behind it. */
const GENUINE_IS_ENOUGH = { acceptedAkTrust: AK_TRUST };

/** TPM evidence; the trust anchors are authorities for endorsement and attestation keys alike. */
export const verifyTpmOffline: OfflineVerifier = async (one) => {
  const { request, expected, folder, at } = one;
  const settings = parseSettings(tpmSection, request, GENUINE_IS_ENOUGH);
  const authorities = readAuthorities(await readAnchorTexts(request.trustAnchors, folder));
  const trust = { ekAuthorities: authorities, akAuthorities: authorities, enrolled: NO_ENROLMENTS };
  return await new TpmVerifier(settings, trust, () => at).verify(await jsonEvidence(one), expected, NEVER);
};

function readAuthorities(texts: readonly string[]) {
  try {
    return authoritiesFromPem(texts);
  } catch (error) {
    if (error instanceof DerError) throw malformed(`the trust anchors cannot be used: ${error.message}`);
    throw error;
  }
}
