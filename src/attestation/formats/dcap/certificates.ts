/** Certificates as Intel issues them: P-256 throughout, ECDSA with SHA-256, PEM chains without anything else in them. */
import {
  basicConstraints,
  type Certificate,
  hasKeyUsage,
  OID,
  parseCertificate,
  type SignatureAlgorithm,
} from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { isP256, verifyP256 } from "../../../crypto/ecdsa.ts";

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const KEY_CERT_SIGN = 5;
const MAX_PEM_BYTES = 64 * 1024;
const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/**
 * Certificates of a PEM chain, in order, as DER. Quotes end them with a zero byte. Anything but certificates and white
 * space is refused: no byte of a chain should go unread.
 *
 * @throws DerError
 */
export function readPemChain(bytes: Buffer): Buffer[] {
  if (bytes.length > MAX_PEM_BYTES) throw new DerError("a certificate chain that is too long");
  const text = bytes.toString("latin1");
  const rest = text.replace(BLOCK, "");
  if (/[^\s\0]/.test(rest)) throw new DerError("text that is no certificate in a certificate chain");
  return Array.from(text.matchAll(BLOCK), ([, body = ""]) => strictBase64(body));
}

/** Bits that base64 leaves unused have to be zero, so that two texts are never the same certificate. */
function strictBase64(body: string): Buffer {
  const text = body.replaceAll(/\s/g, "");
  const der = Buffer.from(text, "base64");
  if (der.toString("base64") !== text) throw new DerError("malformed base64 in a certificate");
  return der;
}

/** @throws DerError */
export function readCertificates(pem: Buffer): Certificate[] {
  return readPemChain(pem).map(parseCertificate);
}

/** Whether the issuer's key made the signature of a certificate or a revocation list. */
export function isSignedBy(
  signed: {
    readonly tbs: Buffer;
    readonly signature: Buffer;
    readonly signatureAlgorithm: SignatureAlgorithm;
  },
  issuer: Certificate,
): boolean {
  return (
    signed.signatureAlgorithm.oid === ECDSA_WITH_SHA256 &&
    verifyP256(issuer.publicKey, signed.tbs, signed.signature, "der")
  );
}

const names = new WeakMap<Certificate, string>();

/** Common name, or a word for its absence. Short and printable: nobody may have verified the certificate yet. */
export function commonName(certificate: Certificate): string {
  const known = names.get(certificate);
  if (known !== undefined) return known;
  const name = certificate.subject.get(OID.commonName) ?? "(no common name)";
  const printable = name.slice(0, 60).replaceAll(/[^\x20-\x7e]/g, "?");
  names.set(certificate, printable);
  return printable;
}

/** Whether the certificate may issue certificates (RFC 5280 §4.2.1.3, §4.2.1.9); unreadable extensions say no. */
export function isAuthority(certificate: Certificate): boolean {
  return readable(() => basicConstraints(certificate).ca && hasKeyUsage(certificate, KEY_CERT_SIGN));
}

/** Whether the certificate says that it is no authority; unreadable extensions do not. */
export function isEndEntity(certificate: Certificate): boolean {
  return readable(() => !basicConstraints(certificate).ca && !hasKeyUsage(certificate, KEY_CERT_SIGN));
}

function readable(test: () => boolean): boolean {
  try {
    return test();
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

/** What no certificate of Intel's has: another curve, or a critical extension that is not understood here. */
export function profileFault(certificate: Certificate): string | undefined {
  if (!isP256(certificate.publicKey)) return `${commonName(certificate)} has a key on another curve`;
  for (const [oid, { critical }] of certificate.extensions)
    if (critical && oid !== OID.basicConstraints && oid !== OID.keyUsage)
      return `${commonName(certificate)} has the unknown critical extension ${oid}`;
  return undefined;
}

/** @returns undefined when `at` lies within the validity of the certificate; a sentence otherwise */
export function validityFault(certificate: Certificate, at: number): string | undefined {
  const { notBefore, notAfter } = certificate;
  // Written so that a clock that gives no number refuses.
  if (at >= notBefore && at <= notAfter) return undefined;
  return `${commonName(certificate)} is valid ${isoTime(notBefore)} to ${isoTime(notAfter)}, time is ${isoTime(at)}`;
}

const MAX_TIMES = 4096;
const times = new Map<number, string>();

/** RFC 3339 in whole seconds. The same few dates of certificates and statements are printed for every quote. */
export function isoTime(milliseconds: number): string {
  const known = times.get(milliseconds);
  if (known !== undefined) return known;
  if (!Number.isFinite(milliseconds)) return "unknown";
  const text = new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
  if (times.size >= MAX_TIMES) times.clear();
  times.set(milliseconds, text);
  return text;
}
