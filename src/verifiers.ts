/**
 * `keywarden/verifiers`: the broker's own verifiers, for other people's programs. Nothing here touches the
 * network, the clock or the disk; what is needed of them is passed in.
 *
 * ```ts
 * const { results, checks } = await verifySnp(evidence, { reportData, at: new Date() });
 * ```
 */
import type { Verification } from "./attestation/verifier.ts";
import { isBinaryEvidence } from "./attestation/verifiers/snp/evidence.ts";
import { snpSection } from "./attestation/verifiers/snp/settings.ts";
import { SnpVerifier } from "./attestation/verifiers/snp/verify.ts";
import type { JsonValue } from "./json/value.ts";
import { type AmdOptions, amdEndorsements } from "./verifiers/amd.ts";
import { expectedOf, parseSettings } from "./verifiers/options.ts";

export {
  appraiseEventLog,
  appraiseImaLog,
  ccelRegisters,
  checkReplay,
  EventLog,
  type EventLogAppraisal,
  EventLogError,
  type EventLogJob,
  eventClaims,
  type HashName,
  type ImaAppraisal,
  type ImaJob,
  isBound,
  type LogEvent,
  type LogLimits,
  type Mismatch,
  parseEventLog,
  type RegisterKind,
  ReplayImpossible,
  type ReplayReport,
  replay,
} from "./attestation/formats/eventlog/index.ts";
export {
  appraiseIma,
  type ImaFailure,
  ImaLog,
  type ImaPolicy,
  ImaPolicyError,
  type ImaReport,
  matchIma,
  parseImaLog,
  parseImaPolicy,
  replayIma,
} from "./attestation/formats/ima/index.ts";
export { SNP_CHECKS, type SnpCheck } from "./attestation/formats/sev-snp/checks.ts";
export type { AkRegistry, EnrolledAk } from "./attestation/formats/tpm2/ak-registry.ts";
export {
  type Check,
  EvidenceRejected,
  type TeeClass,
  type TeeResult,
  type Verification,
} from "./attestation/verifier.ts";
export { AZ_SNP_CHECKS, type AzSnpCheck } from "./attestation/verifiers/az-snp-vtpm/checks.ts";
export type { AzSnpSettings } from "./attestation/verifiers/az-snp-vtpm/settings.ts";
export { AZ_TDX_CHECKS, type AzTdxCheck } from "./attestation/verifiers/az-tdx-vtpm/checks.ts";
export type { AzTdxSettings } from "./attestation/verifiers/az-tdx-vtpm/settings.ts";
export { SGX_CHECKS, type SgxCheck } from "./attestation/verifiers/sgx/checks.ts";
export type { SgxSettings } from "./attestation/verifiers/sgx/settings.ts";
export type { SnpSettings } from "./attestation/verifiers/snp/settings.ts";
export { TDX_CHECKS, type TdxCheck } from "./attestation/verifiers/tdx/checks.ts";
export type { TdxSettings } from "./attestation/verifiers/tdx/settings.ts";
export { TPM_CHECKS, type TpmCheck } from "./attestation/verifiers/tpm/checks.ts";
export type { TpmSettings } from "./attestation/verifiers/tpm/settings.ts";
export { DerError } from "./crypto/der.ts";
export { KbsError } from "./errors.ts";
export { readJson } from "./json/read.ts";
export type { JsonObject, JsonValue } from "./json/value.ts";
export {
  type VerifyAzSnpVtpmOptions,
  type VerifyAzTdxVtpmOptions,
  verifyAzSnpVtpm,
  verifyAzTdxVtpm,
} from "./verifiers/azure.ts";
export { type VerifyDcapOptions, verifySgx, verifyTdx } from "./verifiers/dcap.ts";
export { type VerifyTpmOptions, verifyTpm } from "./verifiers/tpm.ts";

export interface VerifySnpOptions extends AmdOptions {
  /** What REPORT_DATA must hold, at most 64 bytes; zeros follow. Absent: the binding is not checked. */
  readonly reportData?: Uint8Array;
  /** What HOST_DATA must hold: a digest, cut or padded to 32 bytes. Absent: not compared. */
  readonly initDataDigest?: Uint8Array;
  /** The time to judge certificates at. */
  readonly at: Date;
  /** Members of `verifiers.snp` of the configuration; absent ones have its defaults. */
  readonly settings?: unknown;
}

/**
 * Verifies SEV-SNP evidence as the broker does.
 *
 * @param evidence - JSON text or bytes of Confidential Containers evidence (read exactly: its 64-bit numbers do
 *   not survive `JSON.parse`), the value `readJson` gave, or, as bytes, the kernel's 1184-byte report followed
 *   by its certificate table
 * @returns the checks done and one result with the claims
 * @throws EvidenceRejected with the failed check; KbsError `malformed-request` for settings that are no settings;
 *   DerError when a trust anchor is no certificate
 */
export async function verifySnp(
  evidence: JsonValue | string | Uint8Array,
  options: VerifySnpOptions,
): Promise<Verification> {
  const verifier = new SnpVerifier(
    parseSettings(snpSection, options.settings),
    amdEndorsements(options),
    () => options.at.getTime(),
  );
  const expected = expectedOf(options);
  const signal = new AbortController().signal;
  if (evidence instanceof Uint8Array && isBinaryEvidence(evidence))
    return await verifier.verifyBinary(evidence, expected, signal);
  if (typeof evidence === "string" || evidence instanceof Uint8Array)
    return await verifier.verifyText(evidence, expected, signal);
  return await verifier.verify(evidence, expected, signal);
}
