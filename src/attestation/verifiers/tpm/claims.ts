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
  const initData = values.get("sha256")?.get(INIT_DATA_PCR);
  return {
    report_data: toHex(attest.extraData),
    ...(initData === undefined ? {} : { init_data: toHex(initData) }),
    ...bankClaims(values.get("sha256")),
    pcrs: Object.fromEntries([...values].map(([bank, registers]) => [bank, bankClaims(registers)])),
    ak_public: key.spki.toString("base64"),
    ak_sha256: key.fingerprint,
    ak_trust: trust.level,
    ...(key.name === undefined ? {} : { ak_name: key.name }),
    signature_scheme: `${signature.scheme}-${signature.hash}`,
    qualified_signer: toHex(attest.qualifiedSigner),
    tpm_clock: clockClaims(attest.clockInfo),
    tpm_firmware_version: firmwareClaim(attest),
    ...(verified.rebooted === undefined ? {} : { rebooted: verified.rebooted }),
    ...trustClaims(trust),
    ...verified.boot,
  };
}

function trustClaims({ enrolment, endorsement, akAuthority }: JudgedTrust): JsonObject {
  const manufacturer = enrolment?.manufacturer ?? endorsement?.manufacturer;
  const model = enrolment?.model ?? endorsement?.model;
  const version = enrolment?.firmwareVersion ?? endorsement?.firmwareVersion;
  const claims: Record<string, JsonValue | undefined> = {
    host: enrolment?.host,
    ek_sha256: enrolment?.ekFingerprint,
    ek_trust: enrolment?.ekTrust,
    ak_authority: akAuthority,
    // What an endorsement certificate beside the evidence says counts only when the enrolment names its key.
    ...(enrolment === undefined
      ? {}
      : { tpm_manufacturer: manufacturer, tpm_model: model, tpm_fw_version: version }),
  };
  const entries = Object.entries(claims).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(entries);
}
