import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type AmdMaterial,
  mergeMaterial,
  offlineEndorsements,
} from "../../attestation/endorsements/amd-material.ts";
import { readMaterialFile, readMaterialFolder } from "../../attestation/endorsements/offline-folder.ts";
import type { AmdEndorsements } from "../../attestation/formats/sev-snp/endorsements.ts";
import {
  pinnedTrustAnchors,
  type TrustAnchors,
  trustAnchorsFromPem,
} from "../../attestation/formats/sev-snp/trust-anchors.ts";
import { isBinaryEvidence } from "../../attestation/verifiers/snp/evidence.ts";
import { snpSection } from "../../attestation/verifiers/snp/settings.ts";
import { SnpVerifier } from "../../attestation/verifiers/snp/verify.ts";
import { DerError } from "../../crypto/der.ts";
import {
  NEVER,
  notReadable,
  type OfflineCase,
  type OfflineVerifier,
  parseSettings,
  readAnchorTexts,
  readEvidence,
} from "./inputs.ts";
import { malformed } from "./request.ts";

const GENUINE_IS_ENOUGH = { allowDebug: true, allowMigrationAgent: true, allowMaskedChipId: true };

/** SEV-SNP evidence: JSON, or the kernel's binary report with its certificate table. */
export const verifySnpOffline: OfflineVerifier = async (one) => {
  const { request, expected, folder, at } = one;
  const settings = parseSettings(snpSection, request, GENUINE_IS_ENOUGH);
  const verifier = new SnpVerifier(settings, await readAmdEndorsements(one), () => at);
  if ("value" in request.evidence) return await verifier.verify(request.evidence.value, expected, NEVER);
  const bytes = await readEvidence(request.evidence.path, folder);
  return isBinaryEvidence(bytes)
    ? await verifier.verifyBinary(bytes, expected, NEVER)
    : await verifier.verifyText(bytes, expected, NEVER);
};

/** AMD's roots, or those of the request, and the certificates and revocation lists that it names. */
export async function readAmdEndorsements({ request, folder }: OfflineCase): Promise<AmdEndorsements> {
  const anchors = await readTrustAnchors(request.trustAnchors, folder);
  const material = await Promise.all(request.collateral.map((path) => readCollateral(path, folder)));
  return offlineEndorsements(anchors, mergeMaterial(material));
}

async function readTrustAnchors(paths: readonly string[], folder: string): Promise<TrustAnchors> {
  if (paths.length === 0) return pinnedTrustAnchors();
  const texts = await readAnchorTexts(paths, folder);
  try {
    return trustAnchorsFromPem(texts);
  } catch (error) {
    if (error instanceof DerError) throw malformed(`the trust anchors cannot be used: ${error.message}`);
    throw error;
  }
}

async function readCollateral(path: string, folder: string): Promise<AmdMaterial> {
  const at = resolve(folder, path);
  const isFolder = (await stat(at).catch(() => notReadable(path))).isDirectory();
  return isFolder ? await readMaterialFolder(at, true) : await readMaterialFile(at);
}
