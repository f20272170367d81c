import { type Certificate, parseCertificate } from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { readPem } from "../../../crypto/pem.ts";
import { INTEL_ROOT_FINGERPRINT, INTEL_ROOT_PEM, KNOWN_PCK_AUTHORITIES_PEM } from "./trust/pinned.ts";

export interface DcapTrustAnchors {
  /** Self-signed roots; a chain ends in one of exactly these bytes or nowhere. */
  readonly roots: readonly Certificate[];
  /** PCK authorities at hand, for quotes that carry the leaf alone; verified against a root before use. */
  readonly authorities: readonly Certificate[];
}

let pinned: DcapTrustAnchors | undefined;

/** Intel's own root, checked against the pinned fingerprint. */
export function pinnedDcapTrustAnchors(): DcapTrustAnchors {
  pinned ??= {
    roots: readCertificates([INTEL_ROOT_PEM]),
    authorities: readCertificates(KNOWN_PCK_AUTHORITIES_PEM),
  };
  if (pinned.roots[0]?.fingerprint !== INTEL_ROOT_FINGERPRINT)
    throw new DerError("the built-in Intel SGX Root CA does not have the pinned fingerprint");
  return pinned;
}

/**
 * Anchors that replace the pinned ones: self-issued certificates become roots, others PCK authorities.
 *
 * @param texts - PEM texts, each with at least one certificate
 * @throws DerError when a text holds no certificate or a malformed one, or no text holds a root
 */
export function dcapTrustAnchorsFromPem(texts: readonly string[]): DcapTrustAnchors {
  const certificates = readCertificates(texts);
  const roots = certificates.filter(isSelfIssued);
  if (roots.length === 0) throw new DerError("no self-signed root certificate among the trust anchors");
  return { roots, authorities: certificates.filter((certificate) => !isSelfIssued(certificate)) };
}

/** `base` and further anchors that count as much, for development. */
export function addDcapTrustAnchors(base: DcapTrustAnchors, further: DcapTrustAnchors): DcapTrustAnchors {
  return {
    roots: [...base.roots, ...further.roots],
    authorities: [...base.authorities, ...further.authorities],
  };
}

function readCertificates(texts: readonly string[]): Certificate[] {
  return texts.flatMap((text) => {
    const blocks = readPem(text).filter(({ label }) => label === "CERTIFICATE");
    if (blocks.length === 0) throw new DerError("no PEM certificate in the text");
    return blocks.map(({ der }) => parseCertificate(der));
  });
}

function isSelfIssued({ issuerDer, subjectDer }: Certificate): boolean {
  return issuerDer.equals(subjectDer);
}
