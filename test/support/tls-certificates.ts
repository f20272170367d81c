import { webcrypto } from "node:crypto";
import { x509 } from "../../src/crypto/x509.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate authority of a test's own, and server certificates by it. */
export async function testAuthority() {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Test authority",
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    pem: authority.toString("pem"),
    /** A key and a certificate for 127.0.0.1 and localhost, or for the names given. */
    async issue(
      commonName: string,
      names: readonly { readonly type: "dns" | "url"; readonly value: string }[] = [],
    ): Promise<{ key: string; cert: string }> {
      const pair = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${commonName}`,
        issuer: authority.subject,
        publicKey: pair.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        notBefore: new Date(Date.now() - 86_400_000),
        notAfter: new Date(Date.now() + 86_400_000),
        extensions: [
          new x509.SubjectAlternativeNameExtension(
            names.length > 0
              ? [...names]
              : [
                  { type: "dns", value: "localhost" },
                  { type: "ip", value: "127.0.0.1" },
                ],
          ),
        ],
      });
      const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", pair.privateKey)).toString(
        "base64",
      );
      const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
      return { key, cert: certificate.toString("pem") };
    },
  };
}
