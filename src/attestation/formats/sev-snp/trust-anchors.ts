import { createHash } from "node:crypto";
import { type Certificate, OID, parseCertificate } from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { readPem } from "../../../crypto/pem.ts";
import { PRODUCTS, type Product } from "./product.ts";
import { ARK_FINGERPRINTS, KNOWN_INTERMEDIATES_PEM, PINNED_ARKS_PEM } from "./trust/pinned.ts";

export interface TrustAnchors {
  /** Self-signed root keys (ARK). Trust starts here and nowhere else. */
  readonly roots: readonly Certificate[];
  /** ASKs and ASVKs at hand; verified against a root each time before use. */
  readonly intermediates: readonly Certificate[];
}

/**
 * Marks root keys made for development, under the arc for examples (ITU-T X.660, 2.999). They are worthless
 * outside a developer's machine, and the list of checks says so.
 */
export const DEVELOPMENT_ROOT_OID = "2.999.1914.1";

let pinned: TrustAnchors | undefined;

/** AMD's own roots, checked against the pinned fingerprints. */
export function pinnedTrustAnchors(): TrustAnchors {
  pinned ??= { roots: PRODUCTS.map(pinnedRoot), intermediates: readCertificates(KNOWN_INTERMEDIATES_PEM) };
  return pinned;
}

function pinnedRoot(product: Product): Certificate {
  const [root] = readCertificates([PINNED_ARKS_PEM[product]]);
  if (root === undefined || createHash("sha256").update(root.der).digest("hex") !== ARK_FINGERPRINTS[product])
    throw new DerError(`the built-in ARK-${product} does not have the pinned fingerprint`);
  return root;
}

/**
 * Anchors that replace the pinned ones: self-signed certificates become roots, others intermediates.
 *
 * @throws DerError when a text holds no certificate or a malformed one, or no text holds a root
 */
export function trustAnchorsFromPem(texts: readonly string[]): TrustAnchors {
  const certificates = readCertificates(texts);
  const roots = certificates.filter(isSelfIssued);
  if (roots.length === 0) throw new DerError("no self-signed root certificate among the trust anchors");
  return { roots, intermediates: certificates.filter((certificate) => !isSelfIssued(certificate)) };
}

/** `base` and further anchors that count as much, for test fleets and development. */
export function addTrustAnchors(base: TrustAnchors, further: TrustAnchors): TrustAnchors {
  return {
    roots: [...base.roots, ...further.roots],
    intermediates: [...base.intermediates, ...further.intermediates],
  };
}

function readCertificates(texts: readonly string[]): Certificate[] {
  return texts.flatMap((text) => {
    const blocks = readPem(text).filter(({ label }) => label === "CERTIFICATE");
    if (blocks.length === 0) throw new DerError("no PEM certificate in the text");
    return blocks.map(({ der }) => parseCertificate(der));
  });
}

/** Whether subject and issuer are the same name (RFC 5280 §3.2); says nothing about who signed. */
export function isSelfIssued(certificate: Certificate): boolean {
  return certificate.issuerDer.equals(certificate.subjectDer);
}

/** Whether the root carries the mark that only this program's development vendors set. */
export function isDevelopmentRoot(certificate: Certificate): boolean {
  return certificate.extensions.has(DEVELOPMENT_ROOT_OID);
}

/** For people. */
export function commonName(certificate: Certificate): string {
  return certificate.subject.get(OID.commonName) ?? "(no common name)";
}
