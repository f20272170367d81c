/** The attestation key of evidence: read, found strong enough, and, where its public area is known, found to be one. */
import type { KeyObject } from "node:crypto";
import { Tpm2FormatError } from "../../formats/tpm2/cursor.ts";
import { keyFingerprint, keyText, readSpki, weakKeyFault } from "../../formats/tpm2/keys.ts";
import {
  attestationKeyFault,
  objectName,
  type PublicArea,
  publicKeyOf,
  readPublicArea,
} from "../../formats/tpm2/public-area.ts";
import type { Trail } from "../../trail.ts";
import type { TpmCheck } from "./checks.ts";
import type { TpmEvidence } from "./evidence.ts";

export interface AttestationKey {
  readonly key: KeyObject;
  /** See `keyFingerprint`. */
  readonly fingerprint: string;
  /** Base64 of the DER as it came, or of the canonical form when only the public area came. */
  readonly spkiText: string;
  /** Known only where the evidence carries it. */
  readonly publicArea: PublicArea | undefined;
  /** Lower-case hex; known only with the public area. */
  readonly name: string | undefined;
}

type TpmTrail = Trail<TpmCheck>;
type KeyParts = Pick<TpmEvidence, "akPublic" | "akPublicArea">;

/**
 * Without the public area nobody can see whether the key is restricted: that has to come from its enrolment, or from
 * whoever certified or listed it.
 *
 * @throws EvidenceRejected `malformed` | `ak` | `ak-public` | `ak-attributes`
 */
export function readAttestationKey(trail: TpmTrail, { akPublic, akPublicArea }: KeyParts): AttestationKey {
  const publicArea = akPublicArea === undefined ? undefined : readArea(trail, akPublicArea);
  const key = readKey(trail, akPublic, publicArea);
  const fault = weakKeyFault(key);
  trail.require("ak", fault === undefined, fault ?? keyText(key));
  const fingerprint = keyFingerprint(key);
  checkPublicArea(trail, fingerprint, publicArea);
  return {
    key,
    fingerprint,
    spkiText: (akPublic ?? key.export({ type: "spki", format: "der" })).toString("base64"),
    publicArea,
    name: publicArea && objectName(publicArea).toString("hex"),
  };
}

function readArea(trail: TpmTrail, bytes: Buffer): PublicArea {
  return orRefuse(trail, "ak-public", () => readPublicArea(bytes));
}

function readKey(trail: TpmTrail, spki: Buffer | undefined, area: PublicArea | undefined): KeyObject {
  if (spki !== undefined) return orRefuse(trail, "ak", () => readSpki(spki));
  if (area === undefined) throw trail.failed("malformed", "ak_public is missing");
  return orRefuse(trail, "ak", () => publicKeyOf(area));
}

function checkPublicArea(trail: TpmTrail, fingerprint: string, area: PublicArea | undefined): void {
  if (area === undefined) {
    trail.notChecked("ak-public", "the evidence carries no TPM2B_PUBLIC");
    trail.notChecked("ak-attributes", "unknown without the TPM2B_PUBLIC");
    return;
  }
  const same = keyFingerprint(orRefuse(trail, "ak-public", () => publicKeyOf(area))) === fingerprint;
  trail.require("ak-public", same, same ? "the same key" : "a public area of another key");
  const fault = attestationKeyFault(area);
  trail.require(
    "ak-attributes",
    fault === undefined,
    fault ?? `0x${area.attributes.toString(16).padStart(8, "0")}`,
  );
}

function orRefuse<T>(trail: TpmTrail, check: TpmCheck, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Tpm2FormatError)) throw error;
    throw trail.failed(check, error.message);
  }
}
