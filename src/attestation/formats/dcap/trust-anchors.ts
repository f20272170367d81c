import { type Certificate, parseCertificate } from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { readPem } from "../../../crypto/pem.ts";
import { INTEL_ROOT_FINGERPRINT, INTEL_ROOT_PEM } from "./trust/pinned.ts";

export interface DcapTrustAnchors {
  /** Self-signed roots; a chain ends in one of exactly these bytes or nowhere. */
  readonly roots: readonly Certificate[];
}

let pinned: DcapTrustAnchors | undefined;

/** Intel's own root, checked against the pinned fingerprint. */
export function pinnedDcapTrustAnchors(): DcapTrustAnchors {
  pinned ??= { roots: readRoots([INTEL_ROOT_PEM]) };
  if (pinned.roots[0]?.fingerprint !== INTEL_ROOT_FINGERPRINT)
    throw new DerError("the built-in Intel SGX Root CA does not have the pinned fingerprint");
  return pinned;
}

/**
 * Anchors that replace the pinned one.
 *
 * @param texts - PEM texts, each with at least one certificate
 * @throws DerError when a text holds no certificate, a malformed one, or one that is not self-issued
 */
export function dcapTrustAnchorsFromPem(texts: readonly string[]): DcapTrustAnchors {
  const roots = readRoots(texts);
  if (roots.length === 0) throw new DerError("no root certificate among the trust anchors");
  return { roots };
}

/** `base` and further roots that count as much, for development. */
export function addDcapTrustAnchors(base: DcapTrustAnchors, further: DcapTrustAnchors): DcapTrustAnchors {
  return { roots: [...base.roots, ...further.roots] };
}

function readRoots(texts: readonly string[]): Certificate[] {
  return texts.flatMap((text) => {
    const blocks = readPem(text).filter(({ label }) => label === "CERTIFICATE");
    if (blocks.length === 0) throw new DerError("no PEM certificate in the text");
    return blocks.map(({ der }) => selfIssued(parseCertificate(der)));
  });
}

function selfIssued(certificate: Certificate): Certificate {
  if (!certificate.issuerDer.equals(certificate.subjectDer))
    throw new DerError("a trust anchor that is not a self-issued root");
  return certificate;
}
