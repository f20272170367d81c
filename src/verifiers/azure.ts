import type { Verification } from "../attestation/verifier.ts";
import { azSnpSection } from "../attestation/verifiers/az-snp-vtpm/settings.ts";
import { AzSnpVerifier } from "../attestation/verifiers/az-snp-vtpm/verify.ts";
import { azTdxSection } from "../attestation/verifiers/az-tdx-vtpm/settings.ts";
import { AzTdxVerifier } from "../attestation/verifiers/az-tdx-vtpm/verify.ts";
import type { JsonValue } from "../json/value.ts";
import { type AmdOptions, amdEndorsements } from "./amd.ts";
import { type IntelOptions, intelCollateral } from "./dcap.ts";
import { expectedOf, jsonOrNothing, parseSettings } from "./options.ts";

interface AzureOptions {
  /** What the vTPM's quote must carry as nonce, byte for byte. Absent: the binding is not checked. */
  readonly reportData?: Uint8Array;
  /** SHA-256 digest that PCR 8 must have been extended with. Absent: not compared. */
  readonly initDataDigest?: Uint8Array;
  /** The time to judge certificates and collateral at. */
  readonly at: Date;
  /** Members of the verifier's section of the configuration; absent ones have its defaults. */
  readonly settings?: unknown;
}
export interface VerifyAzSnpVtpmOptions extends AzureOptions, AmdOptions {}
export interface VerifyAzTdxVtpmOptions extends AzureOptions, IntelOptions {}

/**
 * Verifies evidence of SEV-SNP VMs on Azure as the broker does.
 *
 * @param evidence - JSON text or bytes, or the value `readJson` gave
 * @throws EvidenceRejected with the failed check; KbsError `malformed-request` for settings that are no settings;
 *   DerError when a trust anchor is no certificate
 */
export async function verifyAzSnpVtpm(
  evidence: JsonValue | string | Uint8Array,
  options: VerifyAzSnpVtpmOptions,
): Promise<Verification> {
  const settings = parseSettings(azSnpSection, options.settings);
  const verifier = new AzSnpVerifier(settings, amdEndorsements(options), () => options.at.getTime());
  return await verifier.verify(jsonOrNothing(evidence), expectedOf(options), new AbortController().signal);
}

/** Verifies evidence of TDX VMs on Azure as the broker does; see `verifyAzSnpVtpm`. */
export async function verifyAzTdxVtpm(
  evidence: JsonValue | string | Uint8Array,
  options: VerifyAzTdxVtpmOptions,
): Promise<Verification> {
  const settings = parseSettings(azTdxSection, options.settings);
  const verifier = new AzTdxVerifier(settings, intelCollateral(options), () => options.at.getTime());
  return await verifier.verify(jsonOrNothing(evidence), expectedOf(options), new AbortController().signal);
}
