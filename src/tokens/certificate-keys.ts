import { X509Certificate } from "node:crypto";
import {
  basicConstraints,
  type Certificate,
  extendedKeyUsages,
  hasKeyUsage,
  OID,
  parseCertificate,
} from "../crypto/certificate.ts";
import { DerError } from "../crypto/der.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import { asTokenAlgorithm, keyFits, type VerificationKey } from "./algorithms.ts";
import { importPublicJwk } from "./jwk.ts";
import type { KeyChoice, KeySource } from "./key-source.ts";
import { tokenRefused } from "./refusal.ts";

export interface CertificateKeysOptions {
  /** Certificates of the operator, the only ones that are trusted for themselves. */
  readonly anchors: readonly Certificate[];
  /** Also accept anchors that are not self-signed, so that chains may end below a root. */
  readonly allowIntermediateAnchors?: boolean;
  /** Extended key usages of which a leaf must have one, in place of `TOKEN_USAGES`; then it must have some. */
  readonly usages?: readonly string[] | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const MAX_CERTIFICATES = 10;
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
/**
 * Purposes that fit the signing of tokens: any (RFC 5280), documents (RFC 9336), JSON Web Tokens (RFC 9509). A leaf
 * without the extension is for any purpose; one for TLS servers under the same root is not.
 */
const TOKEN_USAGES = ["2.5.29.37.0", "1.3.6.1.5.5.7.3.36", "1.3.6.1.5.5.7.3.37"];
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT = 0xffff_ffffn;
/** Signatures that a chain may have; SHA-1 and older are not among them. */
const SIGNATURES = new Set([
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
  "1.2.840.113549.1.1.10",
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.3.101.112",
]);
/** Critical extensions whose meaning is honoured here or does not bear on signing tokens. */
const UNDERSTOOD = new Set<string>([OID.basicConstraints, OID.keyUsage, OID.extendedKeyUsage, "2.5.29.17"]);

/**
 * Keys that a token brings along in `x5c` (RFC 7515 §4.1.6), in its header or in the header's `jwk`. They count
 * only with a chain to a configured anchor, and only if the leaf holds the very key that `jwk` shows.
 */
export class CertificateKeys implements KeySource {
  readonly version = 0;
  readonly #anchors: readonly Certificate[];
  readonly #usages: readonly string[] | undefined;
  readonly #now: () => number;

  /** @throws TypeError when there is no anchor, or one is not self-signed and that is not allowed */
  constructor(options: CertificateKeysOptions) {
    if (options.anchors.length === 0) throw new TypeError("no trusted certificate is configured");
    if (options.allowIntermediateAnchors !== true && !options.anchors.every(isSelfSigned))
      throw new TypeError("a trusted certificate is not a self-signed root");
    this.#anchors = options.anchors;
    this.#usages = options.usages;
    this.#now = options.now;
  }

  candidates(header: JsonObject): KeyChoice {
    try {
      return { version: this.version, keys: this.#candidates(header) };
    } catch (error) {
      if (error instanceof DerError) throw tokenRefused("its x5c holds a malformed certificate", error);
      throw error;
    }
  }

  #candidates(header: JsonObject): readonly VerificationKey[] {
    const jwk = member(header, "jwk");
    const x5c = (isObject(jwk) ? member(jwk, "x5c") : undefined) ?? member(header, "x5c");
    if (x5c === undefined) return [];
    const [leaf, ...others] = parseX5c(x5c);
    if (leaf === undefined) throw tokenRefused("its x5c is empty");
    const algorithm = declaredAlgorithm(header, jwk, leaf);
    this.#checkUsage(leaf);
    const path = this.#path(leaf, others);
    if (path === undefined)
      throw tokenRefused("its certificate does not chain to a trusted one that is valid now");
    return [
      {
        kid: undefined,
        algorithm,
        key: leaf.publicKey,
        notAfter: Math.min(...path.map(({ notAfter }) => notAfter)),
      },
    ];
  }

  /** An operator who names the leaf itself as an anchor has said what it is for. */
  #checkUsage(leaf: Certificate): void {
    if (this.#isAnchor(leaf)) return;
    if (leaf.extensions.has(OID.keyUsage) && !hasKeyUsage(leaf, DIGITAL_SIGNATURE))
      throw tokenRefused("its certificate is not for signing");
    const usages = extendedKeyUsages(leaf);
    if (usages === undefined && this.#usages === undefined) return;
    const accepted = this.#usages ?? TOKEN_USAGES;
    if (!accepted.some((usage) => usages?.includes(usage)))
      throw tokenRefused("its certificate is for other purposes than signing tokens");
  }

  /** The leaf, an anchor and what leads from one to the other, all valid now, or `undefined`. */
  #path(leaf: Certificate, others: readonly Certificate[]): readonly Certificate[] | undefined {
    if (!this.#isValid(leaf)) return undefined;
    if (this.#isAnchor(leaf)) return [leaf];
    const unused = new Set(others.filter((certificate) => this.#isValid(certificate)));
    // Shortest ways first, and each certificate once: one of two that say the same may lead nowhere.
    const ways: (readonly [Certificate, ...Certificate[]])[] = [[leaf]];
    for (const way of ways) {
      const [below] = way;
      const depth = way.length - 1;
      const anchor = this.#anchors.find((each) => this.#isValid(each) && issued(each, below, depth));
      if (anchor !== undefined) return [...way, anchor];
      for (const each of unused)
        if (issued(each, below, depth)) {
          unused.delete(each);
          ways.push([each, ...way]);
        }
    }
    return undefined;
  }

  #isAnchor(certificate: Certificate): boolean {
    return this.#anchors.some((each) => each.der.equals(certificate.der));
  }

  #isValid(certificate: Certificate): boolean {
    const now = this.#now();
    if (now < certificate.notBefore || now > certificate.notAfter) return false;
    for (const [oid, { critical }] of certificate.extensions)
      if (critical && !UNDERSTOOD.has(oid)) return false;
    return true;
  }
}

/** @param depth - intermediate certificates that stand between `issuer` and the leaf */
function issued(issuer: Certificate, below: Certificate, depth: number): boolean {
  if (!issuer.subjectDer.equals(below.issuerDer)) return false;
  const { ca, pathLength } = basicConstraints(issuer);
  if (!ca || (pathLength !== undefined && pathLength < depth)) return false;
  if (issuer.extensions.has(OID.keyUsage) && !hasKeyUsage(issuer, KEY_CERT_SIGN)) return false;
  return isSignedBy(below, issuer);
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  if (!SIGNATURES.has(certificate.signatureAlgorithm.oid)) return false;
  return new X509Certificate(certificate.der).verify(issuer.publicKey);
}

function isSelfSigned(certificate: Certificate): boolean {
  return certificate.subjectDer.equals(certificate.issuerDer) && isSignedBy(certificate, certificate);
}

function declaredAlgorithm(header: JsonObject, jwk: JsonValue | undefined, leaf: Certificate) {
  const algorithm = asTokenAlgorithm(member(header, "alg"));
  if (algorithm === undefined || !keyFits(algorithm, leaf.publicKey))
    throw tokenRefused("its algorithm does not fit the key of its certificate");
  if (jwk === undefined) return algorithm;
  if (!isObject(jwk) || member(jwk, "alg") !== algorithm)
    throw tokenRefused("the key in its header does not name the algorithm of the token");
  if (!holdsKey(jwk, leaf)) throw tokenRefused("the key in its header is not the one in its certificate");
  return algorithm;
}

function holdsKey(jwk: JsonObject, leaf: Certificate): boolean {
  try {
    return importPublicJwk(jwk).equals(leaf.publicKey);
  } catch {
    return false;
  }
}

function parseX5c(x5c: JsonValue): readonly Certificate[] {
  if (!isArray(x5c)) throw tokenRefused("its x5c is not an array");
  if (x5c.length > MAX_CERTIFICATES)
    throw tokenRefused(`its x5c has more than ${MAX_CERTIFICATES} certificates`);
  try {
    const certificates = x5c.map((entry) => parseCertificate(certificateBytes(entry)));
    if (!certificates.every(isAffordable)) throw tokenRefused("its x5c holds an RSA key that is too large");
    return certificates;
  } catch (error) {
    if (error instanceof DerError)
      throw tokenRefused("its x5c holds something that is no certificate", error);
    throw error;
  }
}

/** Keys of strangers verify each other's signatures here: with the largest ones a token would cost seconds. */
function isAffordable({ publicKey }: Certificate): boolean {
  const { modulusLength = 0, publicExponent = 0n } = publicKey.asymmetricKeyDetails ?? {};
  return modulusLength <= MAX_RSA_BITS && publicExponent <= MAX_RSA_EXPONENT;
}

/** Standard base64 (RFC 7517 §4.7); line ends and the URL alphabet occur in the field. */
function certificateBytes(entry: JsonValue): Buffer {
  if (typeof entry !== "string" || !/^[A-Za-z0-9+/_\-=\s]*$/.test(entry))
    throw tokenRefused("its x5c has an entry that is not base64");
  return Buffer.from(entry, "base64");
}
