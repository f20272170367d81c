/** Judges one request with the broker's own verifiers. Files are read, the network is never touched. */
import { type Check, EvidenceRejected, type Verification } from "../../attestation/verifier.ts";
import { sampleSection } from "../../attestation/verifiers/sample/settings.ts";
import { SampleVerifier } from "../../attestation/verifiers/sample/verify.ts";
import { KbsError, type ProblemCode } from "../../errors.ts";
import type { JsonObject } from "../../json/value.ts";
import { verifyAzSnpOffline, verifyAzTdxOffline } from "./azure.ts";
import { verifySgxOffline, verifyTdxOffline } from "./dcap.ts";
import { jsonEvidence, type OfflineVerifier, parseSettings } from "./inputs.ts";
import type { EvidenceRequest, OfflineTee } from "./request.ts";
import { verifySnpOffline } from "./snp.ts";
import { verifyTpmOffline } from "./tpm.ts";

export type Judgement = Accepted | Refused;

export interface Accepted {
  readonly verdict: "accepted";
  readonly checks: readonly Check[];
  readonly results: Verification["results"];
}

export interface Refused {
  readonly verdict: "refused";
  readonly code: ProblemCode;
  /** Name of the failed check; absent when no check came to be made. */
  readonly check?: string;
  readonly detail: string;
  readonly checks: readonly Check[];
}

/**
 * @param folder - where relative paths start
 * @param now - milliseconds since the epoch, for requests that name no time
 */
export async function judge(request: EvidenceRequest, folder: string, now: number): Promise<Judgement> {
  try {
    const expected = { runtimeDataDigest: request.reportData, initDataDigest: request.initData };
    const one = { request, expected, folder, at: request.at ?? now };
    const { checks, results } = await VERIFIERS[request.tee](one);
    return { verdict: "accepted", checks, results };
  } catch (error) {
    return refusalOf(error);
  }
}

/** @throws whatever is no refusal: that would be a fault of this program */
export function refusalOf(error: unknown): Refused {
  if (error instanceof EvidenceRejected) {
    const { code, check, detail, checks } = error;
    return { verdict: "refused", code, check, detail, checks };
  }
  if (error instanceof KbsError)
    return { verdict: "refused", code: error.code, detail: error.detail, checks: [] };
  throw error;
}

const VERIFIERS: Readonly<Record<OfflineTee, OfflineVerifier>> = {
  snp: verifySnpOffline,
  tdx: verifyTdxOffline,
  sgx: verifySgxOffline,
  tpm: verifyTpmOffline,
  "az-snp-vtpm": verifyAzSnpOffline,
  "az-tdx-vtpm": verifyAzTdxOffline,
  sample: verifySample("sample"),
  sampledevice: verifySample("sampledevice"),
};

function verifySample(tee: "sample" | "sampledevice"): OfflineVerifier {
  return async (one) => {
    const settings = parseSettings(sampleSection, one.request, {});
    return await new SampleVerifier(tee, settings).verify(await jsonEvidence(one), one.expected);
  };
}

/** The result as one JSON object, as both forms of the command print it. */
export function printJudgement(id: string | number, judgement: Judgement): JsonObject {
  const checks = judgement.checks.map((check): JsonObject => ({ ...check }));
  if (judgement.verdict === "accepted") {
    const results = judgement.results.map(({ teeClass, claims }): JsonObject => ({ teeClass, claims }));
    return { id, verdict: judgement.verdict, checks, results };
  }
  const { verdict, code, check, detail } = judgement;
  return { id, verdict, code, ...(check === undefined ? {} : { check }), detail, checks };
}
