/** Evidence of TDX and SGX: JSON, or the quote alone as the kernel or the quoting library hands it out. */
import { resolve } from "node:path";
import { offlineIntelCollateral, readIntelPath } from "../../attestation/endorsements/intel-files.ts";
import { type IntelMaterial, mergeIntelMaterial } from "../../attestation/endorsements/intel-material.ts";
import type { DcapCollateralSource } from "../../attestation/formats/dcap/collateral.ts";
import { isBareQuote } from "../../attestation/formats/dcap/quote.ts";
import { TCB_STATUSES } from "../../attestation/formats/dcap/tcb-status.ts";
import {
  type DcapTrustAnchors,
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../../attestation/formats/dcap/trust-anchors.ts";
import type { Expected, Verification } from "../../attestation/verifier.ts";
import { sgxSection } from "../../attestation/verifiers/sgx/settings.ts";
import { SgxVerifier } from "../../attestation/verifiers/sgx/verify.ts";
import { tdxSection } from "../../attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../../attestation/verifiers/tdx/verify.ts";
import { DerError } from "../../crypto/der.ts";
import { KbsError } from "../../errors.ts";
import type { JsonValue } from "../../json/value.ts";
import {
  NEVER,
  type OfflineCase,
  type OfflineVerifier,
  parseSettings,
  readAnchorTexts,
  readEvidence,
} from "./inputs.ts";
import { malformed } from "./request.ts";

/** The claims tell status, attributes and service TD; what is good enough is the operator's question. */
const GENUINE_IS_ENOUGH = { allowDebug: true, allowedTcbStatuses: TCB_STATUSES };

export const verifyTdxOffline: OfflineVerifier = async (one) => {
  const permissions = { ...GENUINE_IS_ENOUGH, allowServiceTd: true };
  const settings = parseSettings(tdxSection, one.request, permissions);
  return await judgeWith(one, new TdxVerifier(settings, await readIntelCollateral(one), () => one.at));
};

export const verifySgxOffline: OfflineVerifier = async (one) => {
  const settings = parseSettings(sgxSection, one.request, GENUINE_IS_ENOUGH);
  return await judgeWith(one, new SgxVerifier(settings, await readIntelCollateral(one), () => one.at));
};

interface QuoteVerifier {
  verify(evidence: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification>;
  verifyText(evidence: Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification>;
  verifyBinary(quote: Uint8Array, expected: Expected, signal: AbortSignal): Promise<Verification>;
}

async function judgeWith(
  { request: { evidence }, expected, folder }: OfflineCase,
  verifier: QuoteVerifier,
): Promise<Verification> {
  if ("value" in evidence) return await verifier.verify(evidence.value, expected, NEVER);
  const bytes = await readEvidence(evidence.path, folder);
  return isBareQuote(bytes)
    ? await verifier.verifyBinary(bytes, expected, NEVER)
    : await verifier.verifyText(bytes, expected, NEVER);
}

/** Intel's root, or those of the request, and the collateral that it names. The network is never touched. */
export async function readIntelCollateral({
  request,
  folder,
  at,
}: OfflineCase): Promise<DcapCollateralSource> {
  const anchors = readAnchors(await readAnchorTexts(request.trustAnchors, folder));
  const material = await Promise.all(request.collateral.map((path) => readMaterial(path, folder)));
  return offlineIntelCollateral(anchors, mergeIntelMaterial(material), () => at);
}

function readAnchors(texts: readonly string[]): DcapTrustAnchors {
  if (texts.length === 0) return pinnedDcapTrustAnchors();
  try {
    return dcapTrustAnchorsFromPem(texts);
  } catch (error) {
    if (error instanceof DerError) throw malformed(`the trust anchors cannot be used: ${error.message}`);
    throw error;
  }
}

async function readMaterial(path: string, folder: string): Promise<IntelMaterial> {
  return await readIntelPath(resolve(folder, path), path).catch((error: unknown) => {
    if (error instanceof KbsError) throw malformed(`${path} cannot be read`);
    throw error;
  });
}
