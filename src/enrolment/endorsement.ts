/** Whether an endorsement key is one of a TPM that counts. */
import {
  type CertificateAuthorities,
  CertificateChainError,
} from "../attestation/formats/tpm2/certificate-chain.ts";
import {
  type TpmIdentity,
  verifyEndorsementCertificate,
} from "../attestation/formats/tpm2/key-certificates.ts";
import { type EnrolmentRequest, refused } from "./enrolment-request.ts";

export interface EndorsementRules {
  /** Manufacturers whose certificates count. */
  readonly ekAuthorities: CertificateAuthorities;
  /** Endorsement keys that count without a certificate, by fingerprint. */
  readonly allowedEks: readonly string[];
  readonly ignoreValidity: boolean;
}

export interface JudgedEndorsement extends TpmIdentity {
  readonly ekTrust: "certificate" | "listed";
}

/**
 * A certificate that comes along has to hold, whatever list the key may be in, unless nobody said which manufacturers
 * count.
 *
 * @param now - milliseconds since the epoch
 * @throws KbsError `enrolment-refused`
 */
export function judgeEndorsement(
  { ekCertificates, ekFingerprint }: EnrolmentRequest,
  { ekAuthorities, allowedEks, ignoreValidity }: EndorsementRules,
  now: number,
): JudgedEndorsement {
  const listed = allowedEks.includes(ekFingerprint);
  if (ekCertificates.length > 0 && ekAuthorities.pinned.length > 0) {
    const certificate = verified(() =>
      verifyEndorsementCertificate(ekCertificates, ekAuthorities, { now, ignoreValidity }),
    );
    if (certificate.ekFingerprint !== ekFingerprint)
      throw refused("the endorsement certificate is one of another key than ek_public");
    const { manufacturer, model, firmwareVersion } = certificate;
    return { ekTrust: "certificate", ...defined({ manufacturer, model, firmwareVersion }) };
  }
  if (listed) return { ekTrust: "listed" };
  throw refused(
    ekCertificates.length === 0
      ? "the endorsement key has no certificate and is not in the list of allowed ones"
      : "no TPM manufacturer is configured, and the endorsement key is not in the list of allowed ones",
  );
}

function verified<T>(verify: () => T): T {
  try {
    return verify();
  } catch (error) {
    if (!(error instanceof CertificateChainError)) throw error;
    throw refused(`the endorsement certificate does not hold: ${error.message}`);
  }
}

function defined(identity: { [Name in keyof TpmIdentity]: TpmIdentity[Name] | undefined }): TpmIdentity {
  return Object.fromEntries(Object.entries(identity).filter(([, value]) => value !== undefined));
}
