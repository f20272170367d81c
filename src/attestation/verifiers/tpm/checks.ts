import { QUOTE_CHECKS } from "../../formats/tpm2/quote-checks.ts";
import type { CheckDescription } from "../../trail.ts";

const LIBRARY = "TCG TPM 2.0 Library 1.59";

/**
 * Every check on evidence of a TPM, in the order of trust: form, key, signature, what the quote says, and only then
 * who vouches for the key and what the logs tell.
 */
export const TPM_CHECKS = {
  malformed: {
    expected: "evidence JSON with a quote, PCR values and the attestation key",
    source: "Confidential Containers TPM evidence",
  },
  ak: {
    expected: "an RSA key of at least 2048 bits or a key on P-256, P-384 or P-521",
    source: "RFC 5280 §4.1.2.7; TCG PC Client Platform TPM Profile 1.05 §4.6",
  },
  "ak-public": {
    expected: "a TPM2B_PUBLIC, where there is one, of the very key that is to verify the quote",
    source: `${LIBRARY} Part 2 §12.2.4`,
  },
  "ak-attributes": {
    expected: "a restricted signing key that cannot leave its TPM",
    source: `${LIBRARY} Part 2 §8.3; Part 1 §23`,
  },
  "signature-algorithm": {
    expected: "a complete TPMT_SIGNATURE of the key's kind, with a hash that the settings allow",
    source: `${LIBRARY} Part 2 §11.3.4`,
  },
  "tpm-attest": QUOTE_CHECKS["tpm-attest"],
  "tpm-signature": QUOTE_CHECKS["tpm-signature"],
  "pcr-selection": QUOTE_CHECKS["pcr-selection"],
  "pcr-digest": QUOTE_CHECKS["pcr-digest"],
  nonce: QUOTE_CHECKS.nonce,
  "init-data": QUOTE_CHECKS["init-data"],
  "required-pcrs": { expected: "a quote over the PCRs of setting requiredPcrs", source: "operator settings" },
  "ak-certificate": {
    expected: "a certificate, where there is one, of this attestation key by an authority of the settings",
    source: "RFC 5280 §6.1; TCG EK Credential Profile 2.5 §3",
  },
  "ek-certificate": {
    expected: "a certificate, where there is one, of an endorsement key by a manufacturer of the settings",
    source: "TCG EK Credential Profile 2.5 §3",
  },
  enrolment: {
    expected: "an approved enrolment, if any, of this key in the TPM of this endorsement key",
    source: `${LIBRARY} Part 1 §24, credential activation`,
  },
  "ak-trust": {
    expected: "a ground to trust the attestation key that the settings accept",
    source: "operator settings",
  },
  "event-log": {
    expected: "an event log, where there is one, that replays to the quoted PCRs",
    source: "TCG PC Client Platform Firmware Profile 1.06 §10",
  },
  "ima-log": {
    expected:
      "an IMA list, where there is one, that replays to PCR 10, of what the policy of the settings allows",
    source: "Linux IMA; setting imaPolicy",
  },
  clock: {
    expected: "counters later than those of the last quote by this key",
    source: `${LIBRARY} Part 1 §36`,
  },
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type TpmCheck = keyof typeof TPM_CHECKS;
