import { toHex } from "../../../crypto/bytes.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import type { Attest } from "../../formats/tpm2/attest.ts";
import type { PcrValues } from "../../formats/tpm2/pcrs.ts";
import { INIT_DATA_PCR } from "../../formats/tpm2/quote-checks.ts";
import { bankClaims, clockClaims, firmwareClaim } from "../../formats/tpm2/quote-claims.ts";
import type { TpmSignature } from "../../formats/tpm2/signature.ts";
import type { AttestationKey } from "./attestation-key.ts";
import type { JudgedTrust } from "./trust.ts";

interface Verified {
  readonly attest: Attest;
  readonly signature: TpmSignature;
  readonly key: AttestationKey;
  /** Exactly what the quote covers. */
  readonly values: PcrValues;
  readonly trust: JudgedTrust;
  /** Whether the TPM was reset since its last quote; `undefined`: no earlier quote is known. */
  readonly rebooted: boolean | undefined;
  /** Of the logs. */
  readonly boot: JsonObject;
}

/**
 * Claims about a verified quote. `pcrNN`, `ak_public`, `report_data` and `init_data` are named as the reference
 * implementation names them, and only registers that the quote covers have any.
 */
export function tpmClaims(verified: Verified): JsonObject {
  const { attest, signature, key, values, trust } = verified;
  const pcrs: Record<string, JsonObject> = {};
  for (const [bank, registers] of values) pcrs[bank] = bankClaims(registers);
  // Filled member by member: spreading thirty claims costs as much as reading the quote.
  const claims: Record<string, JsonValue> = {
    report_data: toHex(attest.extraData),
    pcrs,
    ak_public: key.spkiText,
    ak_sha256: key.fingerprint,
    ak_trust: trust.level,
    signature_scheme: `${signature.scheme}-${signature.hash}`,
    qualified_signer: toHex(attest.qualifiedSigner),
    tpm_clock: clockClaims(attest.clockInfo),
    tpm_firmware_version: firmwareClaim(attest),
  };
  addAll(claims, pcrs["sha256"]);
  const initData = values.get("sha256")?.get(INIT_DATA_PCR);
  if (initData !== undefined) claims["init_data"] = toHex(initData);
  if (key.name !== undefined) claims["ak_name"] = key.name;
  if (verified.rebooted !== undefined) claims["rebooted"] = verified.rebooted;
  addAll(claims, trustClaims(trust));
  addAll(claims, verified.boot);
  return claims;
}

/** Members without a value stay out. */
function addAll(
  claims: Record<string, JsonValue>,
  more: Readonly<Record<string, JsonValue | undefined>> = {},
): void {
  for (const name of Object.keys(more)) {
    const value = more[name];
    if (value !== undefined) claims[name] = value;
  }
}

function trustClaims({
  enrolment,
  endorsement,
  akAuthority,
}: JudgedTrust): Readonly<Record<string, JsonValue | undefined>> {
  if (enrolment === undefined) return { ak_authority: akAuthority };
  // What an endorsement certificate beside the evidence says counts only when the enrolment names its key.
  return {
    ak_authority: akAuthority,
    host: enrolment.host,
    ek_sha256: enrolment.ekFingerprint,
    ek_trust: enrolment.ekTrust,
    tpm_manufacturer: enrolment.manufacturer ?? endorsement?.manufacturer,
    tpm_model: enrolment.model ?? endorsement?.model,
    tpm_fw_version: enrolment.firmwareVersion ?? endorsement?.firmwareVersion,
  };
}
