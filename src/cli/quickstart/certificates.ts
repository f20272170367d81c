import { KeyObject, webcrypto } from "node:crypto";
import { x509 } from "../../crypto/x509.ts";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 3600 * 1000;

export interface ServerCertificate {
  /** PEM root that clients pin. */
  readonly authority: string;
  /** PEM leaf for 127.0.0.1 and localhost. */
  readonly certificate: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

/**
 * Makes a certificate authority and one server certificate below it, both for a week. The authority's key is
 * dropped, so that nothing else can be issued under a root that clients pin.
 *
 * @param now - milliseconds since the epoch
 */
export async function makeServerCertificate(now: number): Promise<ServerCertificate> {
  const [authorityKeys, serverKeys] = await Promise.all([newKeys(), newKeys()]);
  const validity = { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + 7 * DAY_MS) };
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: "01",
    name: "CN=Keywarden quickstart authority",
    keys: authorityKeys,
    signingAlgorithm: ECDSA,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    serialNumber: "02",
    subject: "CN=127.0.0.1",
    issuer: authority.subject,
    publicKey: serverKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: ECDSA,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
      new x509.SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        { type: "dns", value: "localhost" },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
  });
  return {
    authority: `${authority.toString("pem")}\n`,
    certificate: `${certificate.toString("pem")}\n`,
    privateKey: privatePem(serverKeys.privateKey),
  };
}

function newKeys() {
  return webcrypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
}

function privatePem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }).toString();
}
