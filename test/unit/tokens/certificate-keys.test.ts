import { webcrypto } from "node:crypto";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { x509 } from "../../../src/crypto/x509.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import { CertificateKeys } from "../../../src/tokens/certificate-keys.ts";
import { p256PublicJwk } from "../../../src/tokens/jwk.ts";
import { TokenVerifier } from "../../../src/tokens/verify.ts";
import { type CertificateOptions, type Issued, issueCertificate } from "../../support/certificates.ts";
import { compact, NOW, p256, signAs, tokenClaims } from "../../support/tokens.ts";

const REJECTED = expect.objectContaining({ code: "token-rejected" });
let root: Issued;
let intermediate: Issued;
let leaf: Issued;

beforeAll(async () => {
  root = await issueCertificate({ name: "root", ca: true });
  intermediate = await issueCertificate({ name: "intermediate", ca: true, issuer: root });
  leaf = await issueCertificate({ name: "leaf", issuer: intermediate });
});

function der({ certificate }: Issued): string {
  return certificate.der.toString("base64");
}

function header(
  signer: Issued,
  chain: readonly Issued[],
  changes: Record<string, JsonValue> = {},
): JsonObject {
  const jwk = { ...p256PublicJwk(signer.certificate.publicKey), alg: "ES256", x5c: chain.map(der) };
  return { typ: "JWT", alg: "ES256", jwk, ...changes };
}

async function verify(
  token: string,
  anchors: readonly Issued[] = [root],
  options: {
    readonly allowIntermediateAnchors?: boolean;
    readonly usages?: readonly string[];
    readonly now?: number;
  } = {},
) {
  const now = () => options.now ?? NOW;
  const keys = new CertificateKeys({
    anchors: anchors.map(({ certificate }) => certificate),
    allowIntermediateAnchors: options.allowIntermediateAnchors ?? false,
    usages: options.usages,
    now,
  });
  const issuer = {
    name: "as",
    issuer: "verifier",
    audience: undefined,
    algorithms: ["ES256" as const],
    keys,
  };
  return new TokenVerifier({ issuers: [issuer], now }).verify(token, AbortSignal.timeout(5000));
}

function token(signer: Issued, chain: readonly Issued[], changes: Record<string, JsonValue> = {}): string {
  return compact(header(signer, chain, changes), tokenClaims(), signAs("ES256", signer.privateKey));
}

test.each([
  ["16,384 bits", 2048, "AQAB"],
  ["an exponent of 64 bits", 256, "__________8"],
])("E9 a stranger's RSA key of %s is not calculated with", async (_, bytes, e) => {
  const n = Buffer.alloc(bytes, 0xff).toString("base64url");
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const publicKey = await webcrypto.subtle.importKey("jwk", { kty: "RSA", n, e }, algorithm, true, [
    "verify",
  ]);
  const { certificate } = intermediate;
  const large = await x509.X509CertificateGenerator.create({
    subject: "CN=large",
    issuer: "CN=root",
    publicKey,
    signingKey: (
      await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"])
    ).privateKey,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    notBefore: new Date(certificate.notBefore),
    notAfter: new Date(certificate.notAfter),
  });
  const x5c = [der(leaf), der(intermediate), Buffer.from(large.rawData).toString("base64")];
  const jwk = { ...p256PublicJwk(leaf.certificate.publicKey), alg: "ES256", x5c };
  await expect(verify(token(leaf, [leaf], { jwk }))).rejects.toMatchObject({
    detail: expect.stringContaining("too large"),
  });
});

describe("P42 C3 AS-054 chains that are accepted", () => {
  test("a self-signed root as leaf", async () => {
    await expect(verify(token(root, [root]))).resolves.toBeDefined();
  });

  test("leaf and intermediate below the root", async () => {
    await expect(verify(token(leaf, [leaf, intermediate]))).resolves.toBeDefined();
    await expect(verify(token(leaf, [leaf, intermediate, root]))).resolves.toBeDefined();
  });

  test("intermediates in any order", async () => {
    const second = await issueCertificate({ name: "second", ca: true, issuer: intermediate });
    const low = await issueCertificate({ name: "low", issuer: second });
    await expect(verify(token(low, [low, second, intermediate]))).resolves.toBeDefined();
    await expect(verify(token(low, [low, intermediate, second]))).resolves.toBeDefined();
  });

  test("an intermediate that two roots signed, whichever of its certificates comes first", async () => {
    const other = await issueCertificate({ name: "other", ca: true });
    const keys = (await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    const crossed = await issueCertificate({ name: "crossed", ca: true, issuer: other, keys });
    const trusted = await issueCertificate({ name: "crossed", ca: true, issuer: root, keys });
    const low = await issueCertificate({ name: "low", issuer: crossed });
    await expect(verify(token(low, [low, crossed, trusted]))).resolves.toBeDefined();
    await expect(verify(token(low, [low, trusted, crossed]))).resolves.toBeDefined();
    await expect(verify(token(low, [low, crossed]))).rejects.toEqual(REJECTED);
  });

  test("a chain that ends in an intermediate, where the operator made it an anchor and said so", async () => {
    await expect(
      verify(token(leaf, [leaf]), [intermediate], { allowIntermediateAnchors: true }),
    ).resolves.toBeDefined();
  });

  test("the chain in the header's own x5c", async () => {
    const own = { typ: "JWT", alg: "ES256", x5c: [leaf, intermediate].map(der) };
    const text = compact(own, tokenClaims(), signAs("ES256", leaf.privateKey));
    await expect(verify(text)).resolves.toBeDefined();
  });

  test("base64 with line ends, and the URL alphabet", async () => {
    const broken = (text: string) => text.replaceAll(/.{64}/g, "$&\n");
    const url = (text: string) => text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const jwk = {
      ...p256PublicJwk(leaf.certificate.publicKey),
      alg: "ES256",
      x5c: [broken(der(leaf)), url(der(intermediate))],
    };
    await expect(verify(token(leaf, [], { jwk }))).resolves.toBeDefined();
  });
});

describe("P42 C3 AS-054 chains that are refused", () => {
  test("a jwk that is not the leaf's key", async () => {
    const other = p256();
    const jwk = { ...p256PublicJwk(other.publicKey), alg: "ES256", x5c: [leaf, intermediate].map(der) };
    const text = compact({ alg: "ES256", jwk }, tokenClaims(), signAs("ES256", other.privateKey));
    await expect(verify(text)).rejects.toEqual(REJECTED);
    // Signed by the leaf's key, which would verify: what the header shows must be true all the same.
    const showing = compact({ alg: "ES256", jwk }, tokenClaims(), signAs("ES256", leaf.privateKey));
    await expect(verify(showing)).rejects.toEqual(REJECTED);
  });

  test("no x5c, an empty one, and one that is no list of certificates", async () => {
    const bare = p256PublicJwk(leaf.certificate.publicKey);
    for (const x5c of [
      undefined,
      [],
      "x",
      [1],
      [""],
      ["AAAA"],
      [der(leaf).slice(0, 100)],
      Array(11).fill(der(leaf)),
    ]) {
      const jwk = x5c === undefined ? { ...bare, alg: "ES256" } : { ...bare, alg: "ES256", x5c };
      await expect(verify(token(leaf, [], { jwk: jwk as JsonObject }))).rejects.toEqual(REJECTED);
    }
  });

  test("another root with the same name", async () => {
    const impostor = await issueCertificate({ name: "root", ca: true });
    await expect(verify(token(leaf, [leaf, intermediate]), [impostor])).rejects.toEqual(REJECTED);
    const forged = await issueCertificate({ name: "leaf", issuer: impostor });
    await expect(verify(token(forged, [forged, impostor]))).rejects.toEqual(REJECTED);
  });

  test("a chain with a link missing", async () => {
    await expect(verify(token(leaf, [leaf]))).rejects.toEqual(REJECTED);
  });

  test("an intermediate as anchor unless that is allowed", async () => {
    await expect(verify(token(leaf, [leaf]), [intermediate])).rejects.toThrow(TypeError);
    await expect(verify(token(leaf, [leaf]), [])).rejects.toThrow(TypeError);
  });

  test("a jwk without alg, and an alg that the key does not fit", async () => {
    const bare = p256PublicJwk(leaf.certificate.publicKey);
    const x5c = [leaf, intermediate].map(der);
    await expect(verify(token(leaf, [], { jwk: { ...bare, x5c } }))).rejects.toEqual(REJECTED);
    for (const alg of ["ES384", "RS256", "HS256", "none"])
      await expect(verify(token(leaf, [], { alg, jwk: { ...bare, alg, x5c } }))).rejects.toEqual(REJECTED);
  });

  const certificateSign = x509.KeyUsageFlags.keyCertSign;

  test.each<[string, Omit<CertificateOptions, "name">, Omit<CertificateOptions, "name">]>([
    ["an expired leaf", {}, { to: -0.5 }],
    ["a leaf that is not valid yet", {}, { from: 0.5 }],
    ["an expired intermediate", { ca: true, to: -0.5 }, {}],
    ["an intermediate that is no CA", { ca: false }, {}],
    [
      "an intermediate that may not sign certificates",
      { ca: true, keyUsage: x509.KeyUsageFlags.digitalSignature },
      {},
    ],
    [
      "a critical extension that nobody here knows",
      { ca: true, keyUsage: certificateSign },
      { critical: "1.2.3.4" },
    ],
    ["a SHA-1 signature", { ca: true }, { hash: "SHA-1" }],
  ])("%s", async (_, middle, end) => {
    const between = await issueCertificate({ name: "between", ca: true, issuer: root, ...middle });
    const last = await issueCertificate({ name: "last", issuer: between, ...end });
    await expect(verify(token(last, [last, between]))).rejects.toEqual(REJECTED);
  });

  test("a path longer than its root allows", async () => {
    const short = await issueCertificate({ name: "short", ca: true, pathLength: 0 });
    const between = await issueCertificate({ name: "between", ca: true, issuer: short });
    const last = await issueCertificate({ name: "last", issuer: between });
    await expect(verify(token(last, [last, between]), [short])).rejects.toEqual(REJECTED);
    const direct = await issueCertificate({ name: "direct", issuer: short });
    await expect(verify(token(direct, [direct]), [short])).resolves.toBeDefined();
  });

  test("certificates that sign each other in a circle", async () => {
    const first = await issueCertificate({ name: "a", ca: true });
    const second = await issueCertificate({ name: "b", ca: true, issuer: first });
    const back = await issueCertificate({ name: "a", ca: true, issuer: second, keys: first.keys });
    const last = await issueCertificate({ name: "last", issuer: second });
    await expect(verify(token(last, [last, second, back, first]))).rejects.toEqual(REJECTED);
  });
});

describe("C3 what the signing certificate is for", () => {
  const SERVER = "1.3.6.1.5.5.7.3.1";
  const DOCUMENTS = "1.3.6.1.5.5.7.3.36";
  const issue = (usages?: readonly string[], keyUsage?: number) =>
    issueCertificate({
      name: "purpose",
      issuer: root,
      ...(usages === undefined ? {} : { usages }),
      ...(keyUsage === undefined ? {} : { keyUsage }),
    });
  const counts = async (made: Issued, options: Parameters<typeof verify>[2] = {}) =>
    verify(token(made, [made]), [root], options);

  test.each([
    ["any purpose", ["2.5.29.37.0"]],
    ["documents", [DOCUMENTS]],
    ["JSON Web Tokens", ["1.3.6.1.5.5.7.3.37"]],
    ["servers and documents", [SERVER, DOCUMENTS]],
  ])("one for %s signs tokens", async (_, usages) => {
    await expect(counts(await issue(usages))).resolves.toBeDefined();
  });

  test("a certificate of a TLS server or of a person below the same root signs no token", async () => {
    await expect(counts(await issue([SERVER]))).rejects.toEqual(REJECTED);
    await expect(counts(await issue([SERVER, "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4"]))).rejects.toEqual(
      REJECTED,
    );
  });

  test("one whose key usage leaves out signatures signs none", async () => {
    const { digitalSignature, keyAgreement } = x509.KeyUsageFlags;
    await expect(counts(await issue(undefined, keyAgreement))).rejects.toEqual(REJECTED);
    await expect(counts(await issue(undefined, digitalSignature))).resolves.toBeDefined();
  });

  test("usages of the operator's own replace the list, and then there must be one", async () => {
    const usages = ["1.3.6.1.4.1.99999.1"];
    await expect(counts(await issue(usages), { usages })).resolves.toBeDefined();
    await expect(counts(await issue(usages))).rejects.toEqual(REJECTED);
    await expect(counts(await issue([DOCUMENTS]), { usages })).rejects.toEqual(REJECTED);
    await expect(counts(await issue(), { usages })).rejects.toEqual(REJECTED);
  });
});

test("B30 a chain with any byte changed is refused, never a crash", async () => {
  const chain = [leaf, intermediate].map(({ certificate }) => certificate.der);
  const jwk = { ...p256PublicJwk(leaf.certificate.publicKey), alg: "ES256" };
  for (const [which, original] of chain.entries()) {
    for (let at = 0; at < original.length; at++) {
      const changed = Buffer.from(original);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at);
      const x5c = chain.map((der, index) => (index === which ? changed : der).toString("base64"));
      const text = compact(
        { alg: "ES256", jwk: { ...jwk, x5c } },
        tokenClaims(),
        signAs("ES256", leaf.privateKey),
      );
      await expect(verify(text)).rejects.toEqual(REJECTED);
    }
  }
});

test("a remembered token ends with its certificate", async () => {
  const brief = await issueCertificate({ name: "brief", issuer: root, to: 100 / 86_400 });
  const keys = new CertificateKeys({ anchors: [root.certificate], now: () => now });
  let now = NOW;
  const issuer = {
    name: "as",
    issuer: "verifier",
    audience: undefined,
    algorithms: ["ES256" as const],
    keys,
  };
  const verifier = new TokenVerifier({ issuers: [issuer], now: () => now });
  const text = token(brief, [brief]);
  await expect(verifier.verify(text, AbortSignal.timeout(5000))).resolves.toMatchObject({
    validUntil: NOW + 100_000,
  });
  now = NOW + 101_000;
  await expect(verifier.verify(text, AbortSignal.timeout(5000))).rejects.toEqual(REJECTED);
});
