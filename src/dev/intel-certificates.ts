/**
 * Certificates and revocation lists in the shape of Intel's (SGX PCK certificate and CRL specification 1.5), signed by
 * whoever is asked to. For development and tests: every part can be had wrong.
 */
import { type KeyObject, webcrypto } from "node:crypto";
import { x509 } from "../crypto/x509.ts";
import type { RawExtension } from "./amd-certificates.ts";

const SGX_EXTENSIONS = "1.2.840.113741.1.13.1";

/** Distinguished name with the parts that all of Intel's certificates share. */
export function intelName(commonName: string): string {
  return `CN=${commonName}, O=Intel Corporation, L=Santa Clara, ST=CA, C=US`;
}

export interface IntelCertificateSpec {
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal; never zero, which the library replaces. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** EC private key of the issuer. */
  readonly signingKey: KeyObject;
  readonly extensions: readonly RawExtension[];
  readonly hash?: string;
}

/** @returns DER */
export async function issueIntelCertificate(spec: IntelCertificateSpec): Promise<Buffer> {
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: spec.serial,
    subject: spec.subject,
    issuer: spec.issuer,
    notBefore: spec.notBefore,
    notAfter: spec.notAfter,
    publicKey: await importKey(spec.publicKey, "spki", "verify"),
    signingKey: await importKey(spec.signingKey, "pkcs8", "sign"),
    signingAlgorithm: { name: "ECDSA", hash: spec.hash ?? "SHA-256" },
    extensions: rawExtensions(spec.extensions),
  });
  return Buffer.from(certificate.rawData);
}

export interface IntelListSpec {
  readonly issuer: string;
  readonly signingKey: KeyObject;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date | undefined;
  /** Hexadecimal. */
  readonly revokedSerials: readonly string[];
  readonly extensions: readonly RawExtension[];
}

/** @returns DER */
export async function issueIntelList(spec: IntelListSpec): Promise<Buffer> {
  const list = await x509.X509CrlGenerator.create({
    issuer: spec.issuer,
    thisUpdate: spec.thisUpdate,
    ...(spec.nextUpdate === undefined ? {} : { nextUpdate: spec.nextUpdate }),
    entries: spec.revokedSerials.map((serialNumber) => ({ serialNumber, revocationDate: spec.thisUpdate })),
    extensions: rawExtensions(spec.extensions),
    signingKey: await importKey(spec.signingKey, "pkcs8", "sign"),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  return Buffer.from(list.rawData);
}

/** CRL number (RFC 5280 §5.2.3), 1 to 127. */
export function listNumber(number: number): RawExtension {
  return { oid: "2.5.29.20", value: der(0x02, Buffer.from([number])) };
}

function rawExtensions(extensions: readonly RawExtension[]) {
  return extensions.map(({ oid, value, critical }) => new x509.Extension(oid, critical ?? false, value));
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384" };

function importKey(key: KeyObject, form: "pkcs8" | "spki", use: "sign" | "verify"): Promise<CryptoKey> {
  const namedCurve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""] ?? "P-256";
  const bytes =
    form === "pkcs8"
      ? key.export({ type: "pkcs8", format: "der" })
      : key.export({ type: "spki", format: "der" });
  return webcrypto.subtle.importKey(form, bytes, { name: "ECDSA", namedCurve }, true, [use]);
}

export interface PckSpec {
  /** 16 bytes. */
  readonly ppid: Uint8Array;
  /** 16 numbers. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  readonly sgxType: number;
  /** 16 bytes; Platform CA only. */
  readonly platformInstanceId?: Uint8Array | undefined;
  /** dynamic platform, cached keys, SMT; Platform CA only. */
  readonly configuration?: readonly [boolean, boolean, boolean] | undefined;
}

/** The SGX extensions of a PCK certificate. */
export function pckExtension(spec: PckSpec): RawExtension {
  return { oid: SGX_EXTENSIONS, value: sequence(pckMembers(spec)) };
}

/** Members of the extension, for tests that leave one out or have one twice. */
export function pckMembers(spec: PckSpec): Buffer[] {
  const components = spec.components.map((svn, i) => member([2, i + 1], integer(svn)));
  const tcb = [
    ...components,
    member([2, 17], integer(spec.pceSvn)),
    member([2, 18], der(0x04, Buffer.from(spec.components))),
  ];
  return [
    member([1], der(0x04, spec.ppid)),
    member([2], sequence(tcb)),
    member([3], der(0x04, spec.pceId)),
    member([4], der(0x04, spec.fmspc)),
    member([5], der(0x0a, Buffer.from([spec.sgxType]))),
    ...(spec.platformInstanceId === undefined ? [] : [member([6], der(0x04, spec.platformInstanceId))]),
    ...(spec.configuration === undefined ? [] : [member([7], sequence(spec.configuration.map(flag)))]),
  ];
}

function flag(value: boolean, i: number): Buffer {
  return member([7, i + 1], der(0x01, Buffer.from([value ? 0xff : 0])));
}

/** OID below the SGX extensions (all arcs below 128), with its value. */
function member(arcs: readonly number[], value: Buffer): Buffer {
  // 1.2.840.113741.1.13.1 as X.690 §8.19 writes it.
  const prefix = Buffer.from("2a864886f84d010d01", "hex");
  return sequence([der(0x06, Buffer.concat([prefix, Buffer.from(arcs)])), value]);
}

function integer(value: number): Buffer {
  const bytes = value < 128 ? [value] : value < 256 ? [0, value] : [value >> 8, value & 0xff];
  return der(0x02, Buffer.from(bytes[0] !== undefined && bytes[0] >= 128 ? [0, ...bytes] : bytes));
}

export function sequence(parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

/** One DER node. */
export function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}
