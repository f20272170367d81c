/** Certificates of TPM keys and the authorities above them; every part can be had wrong. */
import { createPublicKey, generateKeyPairSync, type KeyObject, webcrypto } from "node:crypto";
import { writePem } from "../../../src/crypto/pem.ts";
import { x509 } from "../../../src/crypto/x509.ts";

export const NOW = Date.parse("2026-06-01T12:00:00Z");
const DAY = 86_400_000;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Usage of endorsement and of attestation keys. */
export const EK_USAGE = "2.23.133.8.1";
export const AK_USAGE = "2.23.133.8.3";

export interface Authority {
  readonly name: string;
  readonly key: KeyObject;
  readonly der: Buffer;
  readonly pem: string;
}

export interface CertificateFields {
  readonly subject?: string;
  readonly issuer?: string;
  readonly key: KeyObject;
  readonly signingKey: KeyObject;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly keyUsage?: number | undefined;
  readonly extendedUsage?: readonly string[] | undefined;
  /** Distinguished name in the subject's alternative names. */
  readonly tpm?: string | undefined;
  /** Days from `NOW`. */
  readonly from?: number;
  readonly to?: number;
  /** An unknown critical extension. */
  readonly critical?: string | undefined;
  readonly hash?: string;
}

/** @returns DER */
export async function issue(fields: CertificateFields): Promise<Buffer> {
  const algorithm = { ...ECDSA, hash: fields.hash ?? "SHA-256" };
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: "01",
    subject: `CN=${fields.subject ?? "a TPM key"}`,
    issuer: `CN=${fields.issuer ?? "an authority"}`,
    publicKey: await cryptoKey(createPublicKey(fields.key)),
    signingKey: await cryptoKey(fields.signingKey),
    signingAlgorithm: algorithm,
    notBefore: new Date(NOW + (fields.from ?? -100) * DAY),
    notAfter: new Date(NOW + (fields.to ?? 100) * DAY),
    extensions: [
      new x509.BasicConstraintsExtension(fields.ca ?? false, fields.pathLength, true),
      ...(fields.keyUsage === undefined ? [] : [new x509.KeyUsagesExtension(fields.keyUsage, true)]),
      ...(fields.extendedUsage === undefined
        ? []
        : [new x509.ExtendedKeyUsageExtension([...fields.extendedUsage])]),
      ...(fields.tpm === undefined
        ? []
        : [new x509.SubjectAlternativeNameExtension([{ type: "dn", value: fields.tpm }], true)]),
      ...(fields.critical === undefined
        ? []
        : [new x509.Extension(fields.critical, true, new Uint8Array([5, 0]))]),
    ],
  });
  return Buffer.from(made.rawData);
}

export async function makeAuthority(
  name: string,
  over: Partial<CertificateFields> = {},
  parent?: Authority,
): Promise<Authority> {
  const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const der = await issue({
    subject: name,
    issuer: parent?.name ?? name,
    key,
    signingKey: parent?.key ?? key,
    ca: true,
    keyUsage: x509.KeyUsageFlags.keyCertSign,
    ...over,
  });
  return { name, key, der, pem: writePem("CERTIFICATE", der) };
}

async function cryptoKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const isPrivate = key.type === "private";
  const der = key.export({ format: "der", type: isPrivate ? "pkcs8" : "spki" } as never);
  const usages: webcrypto.KeyUsage[] = isPrivate ? ["sign"] : [];
  const algorithm =
    key.asymmetricKeyType === "rsa"
      ? { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }
      : { ...ECDSA, namedCurve: curveOf(key) };
  return await webcrypto.subtle.importKey(
    isPrivate ? "pkcs8" : "spki",
    der as unknown as Buffer, // DER was asked for, so it is bytes
    algorithm,
    true,
    isPrivate ? usages : ["verify"],
  );
}

function curveOf(key: KeyObject): string {
  const names: Readonly<Record<string, string>> = {
    prime256v1: "P-256",
    secp384r1: "P-384",
    secp521r1: "P-521",
  };
  return names[key.asymmetricKeyDetails?.namedCurve ?? ""] ?? "P-256";
}

/** Bits of keyUsage. */
export const { KeyUsageFlags } = x509;
