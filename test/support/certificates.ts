import { createPrivateKey, type KeyObject, webcrypto } from "node:crypto";
import { type Certificate, parseCertificate } from "../../src/crypto/certificate.ts";
import { x509 } from "../../src/crypto/x509.ts";
import { NOW } from "./tokens.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY = 86_400_000;

export interface Issued {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
  readonly keys: CryptoKeyPair;
  readonly x509: InstanceType<typeof x509.X509Certificate>;
}

export interface CertificateOptions {
  readonly name: string;
  /** Absent: self-signed. */
  readonly issuer?: Issued | undefined;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly keyUsage?: number;
  /** Extended key usages. */
  readonly usages?: readonly string[];
  /** Days from `NOW`. */
  readonly from?: number;
  readonly to?: number;
  readonly critical?: string;
  readonly hash?: string;
  readonly keys?: CryptoKeyPair;
}

/** A certificate around `NOW`; tests replace what they are about. */
export async function issueCertificate(options: CertificateOptions): Promise<Issued> {
  const keys =
    options.keys ??
    ((await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as CryptoKeyPair);
  const { issuer } = options;
  const made = await x509.X509CertificateGenerator.create({
    subject: `CN=${options.name}`,
    issuer: issuer?.x509.subject ?? `CN=${options.name}`,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: { ...ALGORITHM, hash: options.hash ?? "SHA-256" },
    notBefore: new Date(NOW + (options.from ?? -1) * DAY),
    notAfter: new Date(NOW + (options.to ?? 1) * DAY),
    extensions: [
      new x509.BasicConstraintsExtension(options.ca ?? false, options.pathLength, true),
      ...(options.keyUsage === undefined ? [] : [new x509.KeyUsagesExtension(options.keyUsage, true)]),
      ...(options.usages === undefined ? [] : [new x509.ExtendedKeyUsageExtension([...options.usages])]),
      ...(options.critical === undefined
        ? []
        : [new x509.Extension(options.critical, true, new Uint8Array([5, 0]))]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certificate: parseCertificate(Buffer.from(made.rawData)),
    privateKey: createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }),
    keys,
    x509: made,
  };
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;
