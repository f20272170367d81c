/**
 * Certificates and revocation lists in the shape of AMD's (AMD 57230), signed by whoever is asked to. For
 * development and tests: every part can be had wrong.
 */
import { type KeyObject, webcrypto } from "node:crypto";
import type { Product, VekKind } from "../attestation/formats/sev-snp/product.ts";
import type { Tcb } from "../attestation/formats/sev-snp/report.ts";
import { DEVELOPMENT_ROOT_OID } from "../attestation/formats/sev-snp/trust-anchors.ts";
import { x509 } from "../crypto/x509.ts";

const AMD = "1.3.6.1.4.1.3704.1.";

/** Distinguished name with the parts that all of AMD's certificates share. */
export function amdName(commonName: string): string {
  return `OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices, CN=${commonName}`;
}

export interface RawExtension {
  readonly oid: string;
  readonly value: Uint8Array;
  readonly critical?: boolean;
}

export interface CertificateSpec {
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal; never zero, which the library replaces. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** RSA private key of the issuer. */
  readonly signingKey: KeyObject;
  readonly extensions: readonly RawExtension[];
  readonly hash?: string;
  readonly saltLength?: number;
}

/** @returns DER */
export async function issueCertificate(spec: CertificateSpec): Promise<Buffer> {
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: spec.serial,
    subject: spec.subject,
    issuer: spec.issuer,
    notBefore: spec.notBefore,
    notAfter: spec.notAfter,
    publicKey: await publicCryptoKey(spec.publicKey),
    signingKey: await signingCryptoKey(spec.signingKey, spec.hash),
    signingAlgorithm: pss(spec.hash, spec.saltLength),
    extensions: spec.extensions.map(
      ({ oid, value, critical }) => new x509.Extension(oid, critical ?? false, value),
    ),
  });
  return Buffer.from(certificate.rawData);
}

export interface RevocationListSpec {
  readonly issuer: string;
  readonly signingKey: KeyObject;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  /** Hexadecimal. */
  readonly revokedSerials: readonly string[];
  readonly extensions?: readonly RawExtension[];
  readonly hash?: string;
}

/** @returns DER */
export async function issueRevocationList(spec: RevocationListSpec): Promise<Buffer> {
  const list = await x509.X509CrlGenerator.create({
    issuer: spec.issuer,
    thisUpdate: spec.thisUpdate,
    ...(spec.nextUpdate === undefined ? {} : { nextUpdate: spec.nextUpdate }),
    entries: spec.revokedSerials.map((serialNumber) => ({ serialNumber, revocationDate: spec.thisUpdate })),
    extensions: (spec.extensions ?? []).map(
      ({ oid, value, critical }) => new x509.Extension(oid, critical ?? false, value),
    ),
    signingKey: await signingCryptoKey(spec.signingKey, spec.hash),
    signingAlgorithm: pss(spec.hash, undefined),
  });
  return Buffer.from(list.rawData);
}

function pss(hash = "SHA-384", saltLength = 48) {
  return { name: "RSA-PSS", hash, saltLength };
}

function signingCryptoKey(key: KeyObject, hash = "SHA-384"): Promise<CryptoKey> {
  const algorithm = { name: "RSA-PSS", hash };
  return webcrypto.subtle.importKey("pkcs8", key.export({ type: "pkcs8", format: "der" }), algorithm, true, [
    "sign",
  ]);
}

function publicCryptoKey(key: KeyObject): Promise<CryptoKey> {
  const namedCurve = { prime256v1: "P-256", secp384r1: "P-384" }[key.asymmetricKeyDetails?.namedCurve ?? ""];
  const algorithm =
    namedCurve === undefined ? { name: "RSA-PSS", hash: "SHA-384" } : { name: "ECDSA", namedCurve };
  return webcrypto.subtle.importKey("spki", key.export({ type: "spki", format: "der" }), algorithm, true, [
    "verify",
  ]);
}

/** basicConstraints and keyUsage of an authority; `pathLength` undefined for the root. */
export function authorityExtensions(
  ca: boolean,
  pathLength: number | undefined,
  keyUsage = 0x06,
): RawExtension[] {
  const parts = [
    ...(ca ? [0x01, 0x01, 0xff] : []),
    ...(pathLength === undefined ? [] : [0x02, 0x01, pathLength]),
  ];
  return [
    { oid: "2.5.29.19", critical: true, value: Buffer.from([0x30, parts.length, ...parts]) },
    { oid: "2.5.29.15", critical: true, value: Buffer.from([0x03, 0x02, 0x01, keyUsage]) },
  ];
}

export const DEVELOPMENT_MARK: RawExtension = { oid: DEVELOPMENT_ROOT_OID, value: Buffer.from([0x05, 0x00]) };

export interface VekExtensionSpec {
  readonly kind: VekKind;
  readonly product: Product;
  readonly tcb: Tcb;
  /** 64 bytes, or 8 on Turin; VCEK only. */
  readonly hardwareId: Uint8Array;
  readonly cspId?: string;
}

/** Extensions of a VCEK or VLEK. */
export function vekExtensions(spec: VekExtensionSpec): RawExtension[] {
  const { tcb } = spec;
  const turin = spec.product === "Turin";
  const name = spec.product === "Milan" && spec.kind === "VCEK" ? "Milan-B0" : spec.product;
  return [
    integer("1", turin ? 1 : 0),
    { oid: `${AMD}2`, value: ia5(name) },
    integer("3.1", tcb.bootloader),
    integer("3.2", tcb.tee),
    integer("3.3", tcb.snp),
    ...(turin ? [] : [integer("3.4", 0)]),
    integer("3.5", 0),
    integer("3.6", 0),
    integer("3.7", 0),
    integer("3.8", tcb.microcode),
    ...(tcb.fmc === undefined ? [] : [integer("3.9", tcb.fmc)]),
    spec.kind === "VCEK"
      ? { oid: `${AMD}4`, value: spec.hardwareId }
      : { oid: `${AMD}5`, value: ia5(spec.cspId ?? "CN=development.invalid") },
  ];
}

/** An AMD extension holding a bare DER INTEGER of one byte. */
export function integer(suffix: string, value: number): RawExtension {
  const content = value > 127 ? [0, value] : [value];
  return { oid: AMD + suffix, value: Buffer.from([0x02, content.length, ...content]) };
}

function ia5(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x16, text.length]), Buffer.from(text, "latin1")]);
}
