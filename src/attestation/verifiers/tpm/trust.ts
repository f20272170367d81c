/** Why an attestation key may be believed: who certified it, who enrolled it, who listed it. */
import { equalBytes } from "../../../crypto/bytes.ts";
import type { LogAppraiser } from "../../formats/eventlog/index.ts";
import type { AkRegistry, EnrolledAk } from "../../formats/tpm2/ak-registry.ts";
import { type CertificateAuthorities, CertificateChainError } from "../../formats/tpm2/certificate-chain.ts";
import {
  type EndorsementCertificate,
  verifyAttestationCertificate,
  verifyEndorsementCertificate,
} from "../../formats/tpm2/key-certificates.ts";
import { keyFingerprint } from "../../formats/tpm2/keys.ts";
import type { Trail } from "../../trail.ts";
import type { AttestationKey } from "./attestation-key.ts";
import type { TpmCheck } from "./checks.ts";
import type { TpmEvidence } from "./evidence.ts";
import { AK_TRUST, type AkTrust, type TpmSettings } from "./settings.ts";

/** What a verifier works with: what operators vouch for, and who reads logs. */
export interface TpmTrust {
  readonly ekAuthorities: CertificateAuthorities;
  readonly akAuthorities: CertificateAuthorities;
  readonly enrolled: AkRegistry;
  /** Who appraises logs: large ones on a thread of their own. */
  readonly logs: LogAppraiser;
  /** Document of setting imaPolicy. */
  readonly imaPolicy: Uint8Array | undefined;
}

export interface JudgedTrust {
  readonly level: AkTrust;
  /** Present only when the enrolment is approved. */
  readonly enrolment: EnrolledAk | undefined;
  readonly endorsement: EndorsementCertificate | undefined;
  readonly akAuthority: string | undefined;
}

interface Judge {
  readonly trail: Trail<TpmCheck>;
  readonly evidence: TpmEvidence;
  readonly key: AttestationKey;
  readonly trust: TpmTrust;
  readonly settings: TpmSettings;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Everything that is known about the key has to agree; the strongest ground is the level.
 *
 * @throws EvidenceRejected `ak-certificate` | `ek-certificate` | `enrolment` | `ak-trust`; KbsError when the enrolments
 *   cannot be read
 */
export async function judgeTrust(judge: Judge, signal: AbortSignal): Promise<JudgedTrust> {
  const { trail, key, trust, settings } = judge;
  const akAuthority = checkAkCertificate(judge);
  const endorsement = checkEkCertificate(judge);
  const found = await trust.enrolled.find(key.fingerprint, signal);
  const enrolment = checkEnrolment(judge, found, endorsement);
  const level = levelOf(settings, key, akAuthority, enrolment);
  const seen = level === "none" ? "a key that nobody here knows" : level;
  if (!settings.acceptedAkTrust.includes(level)) {
    const accepted = AK_TRUST.filter((one) => settings.acceptedAkTrust.includes(one)).join(" or ");
    throw trail.failed("ak-trust", seen, `a key that is ${accepted} (setting acceptedAkTrust)`);
  }
  trail.passed("ak-trust", seen);
  return { level, enrolment, endorsement, akAuthority };
}

function levelOf(
  { trustedAks }: TpmSettings,
  { fingerprint }: AttestationKey,
  akAuthority: string | undefined,
  enrolment: EnrolledAk | undefined,
): AkTrust {
  if (enrolment !== undefined) return "enrolled";
  if (akAuthority !== undefined) return "certified";
  return trustedAks.includes(fingerprint) ? "listed" : "none";
}

function chainOptions({ now, settings }: Judge) {
  return { now, ignoreValidity: settings.dangerouslyIgnoreCertificateValidity };
}

/** @returns name of the authority that vouches for the key */
function checkAkCertificate(judge: Judge): string | undefined {
  const { trail, key, trust } = judge;
  const { akCertificates } = judge.evidence;
  if (akCertificates.length === 0) {
    trail.notChecked("ak-certificate", "the evidence carries none");
    return undefined;
  }
  if (trust.akAuthorities.pinned.length === 0) {
    trail.notChecked("ak-certificate", "no authority is configured (setting akAuthorities)");
    return undefined;
  }
  const certificate = orRefuse(trail, "ak-certificate", () =>
    verifyAttestationCertificate(akCertificates, trust.akAuthorities, chainOptions(judge)),
  );
  const same = keyFingerprint(certificate.publicKey) === key.fingerprint;
  trail.require(
    "ak-certificate",
    same,
    same ? `by ${certificate.authority}` : "a certificate of another key",
  );
  return certificate.authority;
}

function checkEkCertificate(judge: Judge): EndorsementCertificate | undefined {
  const { trail, trust } = judge;
  const { ekCertificates } = judge.evidence;
  if (ekCertificates.length === 0) {
    trail.notChecked("ek-certificate", "the evidence carries none");
    return undefined;
  }
  if (trust.ekAuthorities.pinned.length === 0) {
    trail.notChecked("ek-certificate", "no manufacturer is configured (setting ekAuthorities)");
    return undefined;
  }
  const certificate = orRefuse(trail, "ek-certificate", () =>
    verifyEndorsementCertificate(ekCertificates, trust.ekAuthorities, chainOptions(judge)),
  );
  trail.passed("ek-certificate", `by ${certificate.authority}`);
  return certificate;
}

/**
 * An endorsement key's certificate says nothing about the attestation key beside it: only the enrolment ties the two
 * together, so what the evidence carries has to be what was enrolled.
 */
function checkEnrolment(
  { trail, key }: Judge,
  found: EnrolledAk | undefined,
  endorsement: EndorsementCertificate | undefined,
): EnrolledAk | undefined {
  if (found === undefined) {
    trail.notChecked("enrolment", "this key was not enrolled");
    return undefined;
  }
  if (found.status !== "approved")
    throw trail.failed("enrolment", `the enrolment of ${found.host} is ${found.status}`);
  if (key.name !== undefined && !sameHex(key.name, found.akName))
    throw trail.failed("enrolment", `${found.host} enrolled this key with other attributes`);
  if (endorsement !== undefined && !sameHex(endorsement.ekFingerprint, found.ekFingerprint))
    throw trail.failed("enrolment", `${found.host} enrolled this key with another endorsement key`);
  trail.passed("enrolment", `approved, as ${found.host}`);
  return found;
}

function sameHex(left: string, right: string): boolean {
  return equalBytes(Buffer.from(left), Buffer.from(right));
}

function orRefuse<T>(trail: Trail<TpmCheck>, check: TpmCheck, verify: () => T): T {
  try {
    return verify();
  } catch (error) {
    if (!(error instanceof CertificateChainError)) throw error;
    throw trail.failed(check, error.message);
  }
}
