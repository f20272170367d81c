import { inlineAppraiser } from "../attestation/formats/eventlog/index.ts";
import { type AkRegistry, NO_ENROLMENTS } from "../attestation/formats/tpm2/ak-registry.ts";
import { authoritiesFromPem } from "../attestation/formats/tpm2/certificate-chain.ts";
import type { Verification } from "../attestation/verifier.ts";
import { tpmSection } from "../attestation/verifiers/tpm/settings.ts";
import { TpmVerifier } from "../attestation/verifiers/tpm/verify.ts";
import type { JsonValue } from "../json/value.ts";
import { expectedOf, jsonOrNothing, parseSettings } from "./options.ts";

export interface VerifyTpmOptions {
  /** What the quote must carry: digests of any length, resized to 32 bytes as guests do. Absent: not checked. */
  readonly reportData?: Uint8Array;
  /** SHA-256 digest that PCR 8 must have been extended with. Absent: not compared. */
  readonly initDataDigest?: Uint8Array;
  /** The time to judge certificates at. */
  readonly at: Date;
  /** Members of `verifiers.tpm` of the configuration; absent ones have its defaults, those that name files aside. */
  readonly settings?: unknown;
  /** PEM texts of TPM manufacturers whose endorsement keys count. */
  readonly ekAuthoritiesPem?: readonly string[];
  /** PEM texts of authorities whose certificates make an attestation key certified. */
  readonly akAuthoritiesPem?: readonly string[];
  /** Files that may have run: a Keylime runtime policy or lines of sha256sum. Absent: IMA lists are not judged by it. */
  readonly imaPolicy?: Uint8Array;
  /** Enrolled attestation keys, and the clocks of their last quotes. */
  readonly enrolled?: AkRegistry;
}

/**
 * Verifies evidence of a TPM 2.0 as the broker does.
 *
 * @param evidence - JSON text or bytes, or the value `readJson` gave
 * @throws EvidenceRejected with the failed check; KbsError `malformed-request` for settings that are no settings;
 *   DerError when an authority is no certificate
 */
export async function verifyTpm(
  evidence: JsonValue | string | Uint8Array,
  options: VerifyTpmOptions,
): Promise<Verification> {
  const trust = {
    ekAuthorities: authoritiesFromPem(options.ekAuthoritiesPem ?? []),
    akAuthorities: authoritiesFromPem(options.akAuthoritiesPem ?? []),
    enrolled: options.enrolled ?? NO_ENROLMENTS,
    logs: inlineAppraiser(),
    imaPolicy: options.imaPolicy,
  };
  const settings = parseSettings(tpmSection, options.settings);
  const verifier = new TpmVerifier(settings, trust, () => options.at.getTime());
  return await verifier.verify(jsonOrNothing(evidence), expectedOf(options), new AbortController().signal);
}
