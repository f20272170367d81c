import { resolve } from "node:path";
import { readImaPolicy } from "../../attestation/endorsements/tpm-authorities.ts";
import { inlineAppraiser } from "../../attestation/formats/eventlog/index.ts";
import { NO_ENROLMENTS } from "../../attestation/formats/tpm2/ak-registry.ts";
import { authoritiesFromPem } from "../../attestation/formats/tpm2/certificate-chain.ts";
import { AK_TRUST, tpmSection } from "../../attestation/verifiers/tpm/settings.ts";
import { TpmVerifier } from "../../attestation/verifiers/tpm/verify.ts";
import { DerError } from "../../crypto/der.ts";
import { KbsError } from "../../errors.ts";
import { jsonEvidence, NEVER, type OfflineVerifier, parseSettings, readAnchorTexts } from "./inputs.ts";
import { malformed } from "./request.ts";

/** Nobody enrols a key for this command: the claim `ak_trust` tells what stands behind it. */
const GENUINE_IS_ENOUGH = { acceptedAkTrust: AK_TRUST };

/** TPM evidence; the trust anchors are authorities for endorsement and attestation keys alike. */
export const verifyTpmOffline: OfflineVerifier = async (one) => {
  const { request, expected, folder, at } = one;
  const settings = parseSettings(tpmSection, request, GENUINE_IS_ENOUGH);
  const authorities = readAuthorities(await readAnchorTexts(request.trustAnchors, folder));
  const trust = {
    ekAuthorities: authorities,
    akAuthorities: authorities,
    enrolled: NO_ENROLMENTS,
    logs: inlineAppraiser(),
    imaPolicy: await readPolicy(settings.imaPolicy, folder),
  };
  return await new TpmVerifier(settings, trust, () => at).verify(await jsonEvidence(one), expected, NEVER);
};

async function readPolicy(path: string | undefined, folder: string): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  return await readImaPolicy(resolve(folder, path)).catch((error: unknown) => {
    throw error instanceof KbsError ? malformed(error.detail) : error;
  });
}

function readAuthorities(texts: readonly string[]) {
  try {
    return authoritiesFromPem(texts);
  } catch (error) {
    if (error instanceof DerError) throw malformed(`the trust anchors cannot be used: ${error.message}`);
    throw error;
  }
}
