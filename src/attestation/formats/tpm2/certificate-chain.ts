/**
 * Certificates of TPM keys: a path from the key's certificate to a pinned authority (RFC 5280 §6.1). Who may issue is
 * the operator's list; nothing that comes with evidence ever becomes a root.
 */
import { constants, type KeyObject, verify } from "node:crypto";
import {
  basicConstraints,
  type Certificate,
  hasKeyUsage,
  OID,
  parseCertificate,
  type SignatureAlgorithm,
} from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { readPem } from "../../../crypto/pem.ts";

/** Authorities that count: trust starts and ends at a certificate in this list. */
export interface CertificateAuthorities {
  /** Pinned by their bytes; intermediates may be pinned as well as roots. */
  readonly pinned: readonly Certificate[];
}

export interface ChainOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Many TPM certificates end in the lifetime of the machine. Only dates are ignored, nothing else. */
  readonly ignoreValidity?: boolean;
}

/** A certificate path that does not hold; the message says what. */
export class CertificateChainError extends Error {
  constructor(what: string, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause });
    this.name = "CertificateChainError";
  }
}

const KEY_CERT_SIGN = 5;
const MAX_PATH = 6;
/** Extensions of authorities that are looked at, or say nothing that this path depends on. */
const KNOWN_CRITICAL: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  "2.5.29.37",
  "2.5.29.32",
]);

/**
 * Reads certificates as they came with evidence or from an operator's file.
 *
 * @throws CertificateChainError
 */
export function readCertificateList(ders: readonly Buffer[]): readonly Certificate[] {
  return ders.map((der, i) => {
    try {
      return parseCertificate(der);
    } catch (cause) {
      if (!(cause instanceof DerError)) throw cause;
      throw new CertificateChainError(`certificate ${i}: ${cause.message}`, cause);
    }
  });
}

/**
 * Authorities from PEM texts.
 *
 * @throws DerError when a text holds no certificate or a malformed one
 */
export function authoritiesFromPem(texts: readonly string[]): CertificateAuthorities {
  const pinned = texts.flatMap((text) => {
    const blocks = readPem(text).filter(({ label }) => label === "CERTIFICATE");
    if (blocks.length === 0) throw new DerError("no PEM certificate in the text");
    return blocks.map(({ der }) => parseCertificate(der));
  });
  return { pinned };
}

/**
 * Finds a path from `leaf` over certificates that came along to a pinned authority.
 *
 * @returns the path without the leaf, the pinned authority last
 * @throws CertificateChainError
 */
export function verifyCertificatePath(
  leaf: Certificate,
  carried: readonly Certificate[],
  { pinned }: CertificateAuthorities,
  options: ChainOptions,
): readonly Certificate[] {
  if (pinned.length === 0) throw new CertificateChainError("no authority is pinned");
  checkDates(leaf, options);
  const path: Certificate[] = [];
  let current = leaf;
  while (path.length < MAX_PATH) {
    const anchor = pinned.find((candidate) => issued(candidate, current));
    const issuer = anchor ?? carried.find((candidate) => issued(candidate, current));
    if (issuer === undefined)
      throw new CertificateChainError(`${nameOf(current)} is signed by no pinned authority`);
    checkAuthority(issuer, path.length, options);
    path.push(issuer);
    if (anchor !== undefined) return path;
    current = issuer;
  }
  throw new CertificateChainError(`a path of more than ${MAX_PATH} certificates`);
}

function checkAuthority(authority: Certificate, below: number, options: ChainOptions): void {
  const name = nameOf(authority);
  const { ca, pathLength } = constraintsOf(authority);
  if (!ca) throw new CertificateChainError(`${name} is no certificate authority`);
  if (pathLength !== undefined && below > pathLength)
    throw new CertificateChainError(`${name} permits ${pathLength} authorities below it, there are ${below}`);
  if (authority.extensions.has(OID.keyUsage) && !mayCertify(authority))
    throw new CertificateChainError(`${name} may not sign certificates`);
  for (const [oid, { critical }] of authority.extensions)
    if (critical && !KNOWN_CRITICAL.has(oid))
      throw new CertificateChainError(`${name} has the unknown critical extension ${oid}`);
  checkDates(authority, options);
}

/** @throws CertificateChainError */
export function constraintsOf(certificate: Certificate): ReturnType<typeof basicConstraints> {
  try {
    return basicConstraints(certificate);
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new CertificateChainError(`${nameOf(certificate)} has malformed basic constraints`, cause);
  }
}

function mayCertify(certificate: Certificate): boolean {
  try {
    return hasKeyUsage(certificate, KEY_CERT_SIGN);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

function checkDates(certificate: Certificate, { now, ignoreValidity }: ChainOptions): void {
  if (ignoreValidity === true) return;
  // Written so that a clock that gives no number refuses.
  if (now >= certificate.notBefore && now <= certificate.notAfter) return;
  const window = [certificate.notBefore, certificate.notAfter]
    .map((at) => new Date(at).toISOString())
    .join(" to ");
  throw new CertificateChainError(`${nameOf(certificate)} is valid ${window} only`);
}

function issued(issuer: Certificate, subject: Certificate): boolean {
  return issuer.subjectDer.equals(subject.issuerDer) && isSignedBy(subject, issuer.publicKey);
}

/** Hash of each signature algorithm that counts, by OID (RFC 4055, RFC 5758). SHA-1 is not among them. */
const SIGNATURES: ReadonlyMap<string, { readonly hash: string; readonly type: "rsa" | "ec" }> = new Map([
  ["1.2.840.113549.1.1.11", { hash: "sha256", type: "rsa" }],
  ["1.2.840.113549.1.1.12", { hash: "sha384", type: "rsa" }],
  ["1.2.840.113549.1.1.13", { hash: "sha512", type: "rsa" }],
  ["1.2.840.10045.4.3.2", { hash: "sha256", type: "ec" }],
  ["1.2.840.10045.4.3.3", { hash: "sha384", type: "ec" }],
  ["1.2.840.10045.4.3.4", { hash: "sha512", type: "ec" }],
]);
const PSS_HASHES: ReadonlyMap<string, string> = new Map([
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  [OID.sha384, "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);

/** Whether `key` made the signature by the algorithm that it names. */
export function isSignedBy(
  signed: Pick<Certificate, "tbs" | "signature" | "signatureAlgorithm">,
  key: KeyObject,
): boolean {
  const { oid, pss } = signed.signatureAlgorithm;
  if (oid === OID.rsaPss) return isSignedByPss(signed, key, pss);
  const algorithm = SIGNATURES.get(oid);
  if (algorithm === undefined || key.asymmetricKeyType !== algorithm.type) return false;
  return verify(algorithm.hash, signed.tbs, key, signed.signature);
}

function isSignedByPss(
  { tbs, signature }: Pick<Certificate, "tbs" | "signature">,
  key: KeyObject,
  pss: SignatureAlgorithm["pss"],
): boolean {
  const hash = pss !== undefined && pss.hash === pss.mgfHash ? PSS_HASHES.get(pss.hash) : undefined;
  if (pss === undefined || hash === undefined || key.asymmetricKeyType !== "rsa") return false;
  const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pss.saltLength };
  return verify(hash, tbs, options, signature);
}

/** Subject's common name, short and printable: it may come from a certificate nobody has verified. */
export function nameOf(certificate: Certificate): string {
  const name = certificate.subject.get(OID.commonName) ?? `SHA-256 ${certificate.fingerprint.slice(0, 16)}…`;
  return name.slice(0, 60).replaceAll(/[^\x20-\x7e]/g, "?");
}
