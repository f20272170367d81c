import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import {
  booleanValue,
  DerError,
  type DerNode,
  DerReader,
  integerBytes,
  oidText,
  readDer,
  smallInteger,
  stringValue,
  TAG,
  timeValue,
  wholeBits,
} from "./der.ts";

export interface Extension {
  readonly critical: boolean;
  /** Content of `extnValue`, that is the DER of the extension itself (or whatever the vendor put there). */
  readonly value: Buffer;
}

/** Parts of a distinguished name, by attribute OID. Names with an attribute twice are refused. */
export type NameParts = ReadonlyMap<string, string>;

/** Signature algorithm of a certificate or revocation list. */
export interface SignatureAlgorithm {
  readonly oid: string;
  readonly pss: { readonly hash: string; readonly mgfHash: string; readonly saltLength: number } | undefined;
}

/** An X.509 version 3 certificate, read twice: by OpenSSL, and by our own DER reader for what Node hides. */
export interface Certificate {
  readonly der: Buffer;
  /** Lower-case hex of the SHA-256 over the DER. */
  readonly fingerprint: string;
  readonly tbs: Buffer;
  readonly serial: Buffer;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Buffer;
  readonly issuer: NameParts;
  readonly issuerDer: Buffer;
  readonly subject: NameParts;
  readonly subjectDer: Buffer;
  /** Milliseconds since the epoch, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKeyDer: Buffer;
  readonly publicKey: KeyObject;
  readonly extensions: ReadonlyMap<string, Extension>;
}

export const OID = {
  commonName: "2.5.4.3",
  country: "2.5.4.6",
  locality: "2.5.4.7",
  state: "2.5.4.8",
  organization: "2.5.4.10",
  organizationalUnit: "2.5.4.11",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  rsaPss: "1.2.840.113549.1.1.10",
  mgf1: "1.2.840.113549.1.1.8",
  sha1: "1.3.14.3.2.26",
  sha384: "2.16.840.1.101.3.4.2.2",
} as const;

/** Shortest input worth handing to a parser; everything below is an error, not a crash. */
const MIN_CERTIFICATE_BYTES = 30;
const MAX_CERTIFICATE_BYTES = 64 * 1024;

/**
 * Reads one certificate that fills `der` exactly (RFC 5280 §4.1).
 *
 * @throws DerError on anything else, an unreadable public key included
 */
export function parseCertificate(der: Buffer): Certificate {
  if (der.length < MIN_CERTIFICATE_BYTES)
    throw new DerError(`${der.length} bytes are too short for a certificate`);
  if (der.length > MAX_CERTIFICATE_BYTES) throw new DerError("too long for a certificate");
  const outer = new DerReader(readDer(der, TAG.sequence).content);
  const tbs = outer.next(TAG.sequence);
  const algorithm = outer.next(TAG.sequence);
  const signature = wholeBits(outer.next(TAG.bitString));
  outer.end();
  return {
    der,
    fingerprint: createHash("sha256").update(der).digest("hex"),
    tbs: tbs.whole,
    signature,
    signatureAlgorithm: signatureAlgorithm(algorithm),
    ...parseTbs(tbs, algorithm),
    publicKey: publicKeyOf(der),
  };
}

/** OpenSSL's own reading: it refuses malformed certificates and keys, points off the curve among them. */
function publicKeyOf(der: Buffer): KeyObject {
  try {
    return new X509Certificate(der).publicKey;
  } catch (cause) {
    throw Object.assign(new DerError("the certificate or its public key is malformed"), { cause });
  }
}

function parseTbs(tbs: DerNode, outerAlgorithm: DerNode) {
  const body = new DerReader(tbs.content);
  const version = body.optional(0xa0);
  if (version === undefined || smallInteger(readDer(version.content, TAG.integer)) !== 2)
    throw new DerError("not an X.509 version 3 certificate");
  const serial = integerBytes(body.next(TAG.integer));
  if (!body.next(TAG.sequence).whole.equals(outerAlgorithm.whole))
    throw new DerError("the two signature algorithms of the certificate differ");
  const issuer = body.next(TAG.sequence);
  const validity = body.enter(TAG.sequence);
  const [notBefore, notAfter] = [timeValue(validity.next()), timeValue(validity.next())];
  validity.end();
  const subject = body.next(TAG.sequence);
  const publicKeyDer = body.next(TAG.sequence).whole;
  body.optional(0x81);
  body.optional(0x82);
  const extensions = body.optional(0xa3);
  body.end();
  return {
    serial,
    issuer: parseName(issuer),
    issuerDer: issuer.whole,
    notBefore,
    notAfter,
    subject: parseName(subject),
    subjectDer: subject.whole,
    publicKeyDer,
    extensions: extensions === undefined ? new Map<string, Extension>() : parseExtensions(extensions.content),
  };
}

/** `Extensions` of certificates and revocation lists; an OID that occurs twice is refused. */
export function parseExtensions(bytes: Buffer): Map<string, Extension> {
  const list = new DerReader(readDer(bytes, TAG.sequence).content);
  const extensions = new Map<string, Extension>();
  while (!list.atEnd) {
    const entry = list.enter(TAG.sequence);
    const oid = oidText(entry.next(TAG.oid));
    const critical = entry.optional(TAG.boolean);
    const value = entry.next(TAG.octetString).content;
    entry.end();
    if (extensions.has(oid)) throw new DerError(`extension ${oid} occurs twice`);
    extensions.set(oid, { critical: critical !== undefined && booleanValue(critical), value });
  }
  return extensions;
}

function parseName(name: DerNode): NameParts {
  const parts = new Map<string, string>();
  const rdns = new DerReader(name.content);
  while (!rdns.atEnd) {
    const rdn = rdns.enter(TAG.set);
    while (!rdn.atEnd) {
      const attribute = rdn.enter(TAG.sequence);
      const oid = oidText(attribute.next(TAG.oid));
      if (parts.has(oid)) throw new DerError(`name attribute ${oid} occurs twice`);
      parts.set(oid, stringValue(attribute.next()));
      attribute.end();
    }
  }
  return parts;
}

/** `AlgorithmIdentifier` of a signature, with RSASSA-PSS parameters (RFC 4055 §3.1) read out. */
export function signatureAlgorithm(node: DerNode): SignatureAlgorithm {
  const reader = new DerReader(node.content);
  const oid = oidText(reader.next(TAG.oid));
  if (oid !== OID.rsaPss) return { oid, pss: undefined };
  const parameters = reader.enter(TAG.sequence);
  reader.end();
  const hash = parameters.optional(0xa0);
  const mgf = parameters.optional(0xa1);
  const salt = parameters.optional(0xa2);
  const trailer = parameters.optional(0xa3);
  parameters.end();
  if (trailer !== undefined && smallInteger(readDer(trailer.content, TAG.integer)) !== 1)
    throw new DerError("an RSASSA-PSS trailer field other than 1");
  return {
    oid,
    pss: {
      hash: hash === undefined ? OID.sha1 : algorithmOid(hash.content),
      mgfHash: mgf === undefined ? OID.sha1 : mgf1Hash(mgf.content),
      saltLength: salt === undefined ? 20 : smallInteger(readDer(salt.content, TAG.integer)),
    },
  };
}

function algorithmOid(bytes: Buffer): string {
  const reader = new DerReader(readDer(bytes, TAG.sequence).content);
  const oid = oidText(reader.next(TAG.oid));
  reader.optional(TAG.null);
  reader.end();
  return oid;
}

function mgf1Hash(bytes: Buffer): string {
  const reader = new DerReader(readDer(bytes, TAG.sequence).content);
  if (oidText(reader.next(TAG.oid)) !== OID.mgf1)
    throw new DerError("a mask generation function other than MGF1");
  const hash = algorithmOid(reader.next(TAG.sequence).whole);
  reader.end();
  return hash;
}

/** What basicConstraints (RFC 5280 §4.2.1.9) says; absent means no CA. */
export function basicConstraints(certificate: Certificate): { ca: boolean; pathLength: number | undefined } {
  const extension = certificate.extensions.get(OID.basicConstraints);
  if (extension === undefined) return { ca: false, pathLength: undefined };
  const reader = new DerReader(readDer(extension.value, TAG.sequence).content);
  const ca = reader.optional(TAG.boolean);
  const pathLength = reader.optional(TAG.integer);
  reader.end();
  return {
    ca: ca !== undefined && booleanValue(ca),
    pathLength: pathLength === undefined ? undefined : smallInteger(pathLength),
  };
}

/** Whether keyUsage (RFC 5280 §4.2.1.3) is present and has bit `bit` (5: keyCertSign, 6: cRLSign). */
export function hasKeyUsage(certificate: Certificate, bit: number): boolean {
  const extension = certificate.extensions.get(OID.keyUsage);
  if (extension === undefined) return false;
  const bits = readDer(extension.value, TAG.bitString).content;
  return ((bits[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}

/** The purposes in extendedKeyUsage (RFC 5280 §4.2.1.12) as dotted text; `undefined`: there is none, so any. */
export function extendedKeyUsages(certificate: Certificate): readonly string[] | undefined {
  const extension = certificate.extensions.get(OID.extendedKeyUsage);
  if (extension === undefined) return undefined;
  const reader = new DerReader(readDer(extension.value, TAG.sequence).content);
  const usages: string[] = [];
  while (!reader.atEnd) usages.push(oidText(reader.next(TAG.oid)));
  return usages;
}
