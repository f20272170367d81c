import type { KeywardenConfig } from "./load.ts";
import { walk } from "./walk.ts";

/** A setting that takes a protection away: logged at start, and shown by `config check`. */
export interface DangerousSwitch {
  readonly path: string;
  /** What it means, for a person. */
  readonly meaning: string;
}

const MEANINGS: Readonly<Record<string, string>> = {
  "attestation.token.signer.vault.dangerouslyAllowPlainHttp": "the token for Vault travels in the clear",
  "secrets.vault.dangerouslyAllowPlainHttp": "secrets and the token for Vault travel in the clear",
  "server.dangerouslyAllowPlainHttp": "requests, and administrators' tokens with them, travel in the clear",
  "attestation.dangerouslyAllowRsa1_5": "answers are encrypted with a padding that has known attacks",
  "attestationService.remote.dangerouslyAllowPlainHttp":
    "evidence, tokens and the credentials for the attestation service travel in the clear",
  "attestationService.rvps.remote.dangerouslyAllowPlainHttp":
    "reference values and the credentials for their provider travel in the clear",
  "attestationService.authentication.dangerouslyAllowAnonymousEvaluation":
    "everybody who reaches the attestation service gets fresh tokens, for old evidence as well",
  "attestationService.authentication.dangerouslyAllowAnonymousAdministration":
    "everybody who reaches the attestation service may replace policies and reference values",
  "attestation.dangerouslyAllowMissingTrustClaims":
    "guests whose policy judged nothing get a token, and a release policy that ignores the status lets them in",
  "audit.failClosed": "secrets are released even when nobody can record it",
  "referenceValues.dangerouslyAcceptExpired":
    "policies compare evidence with values nobody vouches for any more",
  "dev.dangerouslyUseDevTrustAnchors.snp": "evidence signed by made-up vendors is believed",
  "dev.dangerouslyUseDevTrustAnchors.intel": "evidence signed by made-up vendors is believed",
  "verifiers.sample.allowSampleEvidence": "evidence that anybody can make up is believed",
  "verifiers.snp.allowDebug": "secrets go to guests whose memory the host may read",
  "verifiers.snp.allowMigrationAgent": "secrets go to guests that a migration agent may export",
  "verifiers.snp.allowMaskedChipId": "secrets go to chips whose identity the host hides",
  "verifiers.tdx.allowDebug": "secrets go to guests whose memory the host may read",
  "verifiers.tdx.allowServiceTd": "secrets go to guests that a service TD of anybody's may change",
  "verifiers.sgx.allowDebug": "secrets go to enclaves whose memory the host may read",
  "verifiers.tpm.acceptedAkTrust":
    "quotes are believed whose key nobody here knows; only a policy may stop them",
  "verifiers.tpm.dangerouslyIgnoreCertificateValidity": "expired certificates of TPM keys are believed",
  "verifiers.az-snp-vtpm.dangerouslyAcceptAnyParavisor":
    "anybody with such a processor gets in, unless policies pin the paravisor's measurement",
  "verifiers.az-snp-vtpm.allowDebug": "secrets go to guests whose memory the host may read",
  "verifiers.az-snp-vtpm.allowMigrationAgent": "secrets go to guests that a migration agent may export",
  "verifiers.az-snp-vtpm.allowMaskedChipId": "secrets go to chips whose identity the host hides",
  "verifiers.az-snp-vtpm.revocation": "keys that AMD has revoked are believed",
  "verifiers.az-snp-vtpm.dangerouslyIgnoreCertificateValidity": "expired certificates are believed",
  "verifiers.az-tdx-vtpm.allowDebug": "secrets go to guests whose memory the host may read",
  "verifiers.az-tdx-vtpm.allowServiceTd": "secrets go to guests that a service TD of anybody's may change",
  "verifiers.snp.revocation": "keys that AMD has revoked are believed",
  "verifiers.snp.dangerouslyIgnoreCertificateValidity": "expired certificates are believed",
};

/** Every dangerous switch that is on, in the order of the file. */
export function dangerousSwitches(config: KeywardenConfig): readonly DangerousSwitch[] {
  const found: DangerousSwitch[] = [];
  walk(config, (value, path, name) => {
    if (!isDangerous(value, path, name)) return;
    found.push({ path, meaning: MEANINGS[path] ?? meaningOf(name) });
  });
  return found;
}

function isDangerous(value: unknown, path: string, name: string): boolean {
  if (path === "audit.failClosed") return value === false;
  if (name === "legacyKeyWithoutRole") return value !== undefined;
  if (typeof value === "string") return value.startsWith("dangerously-");
  if (path === "verifiers.tpm.acceptedAkTrust") return Array.isArray(value) && value.includes("none");
  if (path.startsWith("dev.dangerouslyUseDevTrustAnchors.")) return Array.isArray(value) && value.length > 0;
  return value === true && (name.startsWith("dangerously") || Object.hasOwn(MEANINGS, path));
}

function meaningOf(name: string): string {
  if (name === "legacyKeyWithoutRole")
    return "tokens without role, issuer and audience count as administrators'";
  if (name === "dangerouslyAllowIntermediateAnchors")
    return "certificates that no root vouches for are believed";
  return "a protection is switched off";
}
