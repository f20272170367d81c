import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createLocalJWKSet, decodeProtectedHeader, importJWK, type JSONWebKeySet, jwtVerify } from "jose";
import { readJson } from "../../../src/json/read.ts";
import { discoveryDocument, keySetDocument } from "../../../src/tokens/documents.ts";
import { EAR_PROFILE } from "../../../src/tokens/ear.ts";
import type { TokenIssuerOptions } from "../../../src/tokens/issue.ts";
import { certificatesOf, createSigner, privateKeyFrom } from "../../../src/tokens/signer.ts";
import { generateSigningKey, loadOrCreateSigner } from "../../../src/tokens/signer-files.ts";
import { ownIssuer } from "../../../src/tokens/trusted-issuers.ts";
import { TokenVerifier } from "../../../src/tokens/verify.ts";
import { cpuSubmodule, fixedKeys, freshSigner, testIssuer } from "../../support/ear.ts";
import { testAuthority } from "../../support/tls-certificates.ts";
import { NOW, NOW_SECONDS, p256, TEE_KEY } from "../../support/tokens.ts";

const signer = freshSigner();
const keys = fixedKeys(signer);
const SIGNAL = new AbortController().signal;
const issuer = (changes: Partial<TokenIssuerOptions> = {}) => testIssuer(keys, changes);
const cpu = cpuSubmodule;

const PEM_ES384 = String(generateSigningKey("ES384").export({ type: "pkcs8", format: "pem" }));

function payloadOf(token: string): unknown {
  return readJson(Buffer.from(token.split(".")[1] ?? "", "base64url"));
}

test("AS-041 AS-042 AS-040 P36 the payload has the members of an EAR and no others", async () => {
  const { token, claims, expiresAt } = await issuer().issue(
    { submodules: [cpu()], protocol: undefined },
    SIGNAL,
  );
  expect(payloadOf(token)).toEqual(claims);
  expect(claims).toEqual({
    eat_profile: EAR_PROFILE,
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 300,
    iss: "keywarden",
    "ear.verifier-id": { developer: "https://kbs.example", build: "keywarden 0.1.0" },
    submods: {
      cpu0: {
        "ear.status": "affirming",
        "ear.trustworthiness-vector": { hardware: 2, configuration: 2 },
        "ear.appraisal-policy-id": "default",
        "ear.veraison.annotated-evidence": cpu().annotatedEvidence,
      },
    },
  });
  expect(expiresAt).toBe((NOW_SECONDS + 300) * 1000);
});

test("AS-043 the header: JWT, ES256, the kid and the key with coordinates of 32 bytes", async () => {
  const { token } = await issuer().issue({ submodules: [cpu()], protocol: undefined }, SIGNAL);
  const header = decodeProtectedHeader(token);
  expect(header).toMatchObject({ typ: "JWT", alg: "ES256", kid: signer.kid });
  expect(header.jwk).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256" });
  expect(header.jwk?.x).toHaveLength(43);
  expect(header.jwk?.y).toHaveLength(43);
  const bare = await issuer({ embedKey: false }).issue({ submodules: [cpu()], protocol: undefined }, SIGNAL);
  expect(decodeProtectedHeader(bare.token)).toEqual({ typ: "JWT", alg: "ES256", kid: signer.kid });
});

test("AS-043 coordinates with leading zero bytes keep their width", () => {
  for (let count = 0; count < 600; count++) {
    const { publicJwk } = createSigner(p256().privateKey);
    expect(publicJwk["x"]).toHaveLength(43);
    expect(publicJwk["y"]).toHaveLength(43);
  }
});

test("AS-048 another JOSE library verifies the token with the header's key and with the key set", async () => {
  const { token } = await issuer().issue({ submodules: [cpu()], protocol: undefined }, SIGNAL);
  const options = { currentDate: new Date(NOW), algorithms: ["ES256"], issuer: "keywarden" };
  const { jwk } = decodeProtectedHeader(token);
  await expect(jwtVerify(token, await importJWK({ ...jwk }, "ES256"), options)).resolves.toBeDefined();
  // The document is what a client would read; its members were written by the code under test.
  const set = keySetDocument([signer]) as unknown as JSONWebKeySet;
  await expect(jwtVerify(token, createLocalJWKSet(set), options)).resolves.toBeDefined();
});

test("AS-047 the key set shows the key of the header; discovery leads to it", () => {
  expect(keySetDocument([signer])).toEqual({ keys: [signer.publicJwk] });
  expect(signer.publicJwk).not.toHaveProperty("d");
  expect(discoveryDocument("https://kbs.example", "keywarden", [signer])).toMatchObject({
    issuer: "keywarden",
    jwks_uri: "https://kbs.example/.well-known/jwks.json",
  });
});

test("AS-053 integers beyond 2^53 are exact; those beyond 64 signed bits are text", async () => {
  const evidence = { snp: { a: 2n ** 63n - 1n, b: 2n ** 63n, c: [-(2n ** 63n) - 1n], d: 9007199254740993n } };
  const { token } = await issuer().issue({ submodules: [cpu(evidence)], protocol: undefined }, SIGNAL);
  expect(payloadOf(token)).toHaveProperty("submods.cpu0");
  const text = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  expect(text).toContain(
    '"snp":{"a":9223372036854775807,"b":"9223372036854775808","c":["-9223372036854775809"],"d":9007199254740993}',
  );
});

test("AS-038 extensions are members of the submodule", async () => {
  const extensions = { "ear.trustee.identifiers": { validated: {} } };
  const { claims } = await issuer().issue(
    { submodules: [cpu({}, { extensions })], protocol: undefined },
    SIGNAL,
  );
  expect(claims).toHaveProperty(["submods", "cpu0", "ear.trustee.identifiers"], { validated: {} });
});

test("AS-060 P38 own tokens are trusted without configuration, and remembered without another look", async () => {
  const own = ownIssuer(keys, "keywarden");
  const { token, claims } = await issuer().issue({ submodules: [cpu()], protocol: undefined }, SIGNAL);
  const fresh = new TokenVerifier({ issuers: [own], now: () => NOW });
  await expect(fresh.verify(token, AbortSignal.timeout(1000))).resolves.toMatchObject({
    claims,
    teePublicKey: TEE_KEY.jwk,
  });
  const nothing = { ...own, keys: { version: 0, candidates: () => ({ version: 0, keys: [] }) } };
  const other = new TokenVerifier({ issuers: [nothing], now: () => NOW });
  other.rememberIssued(token, claims, nothing);
  await expect(other.verify(token, AbortSignal.timeout(1000))).resolves.toMatchObject({ claims });
});

test("a device attested alone gets a token, which releases nothing here", async () => {
  const own = ownIssuer(keys, "keywarden");
  const gpu = cpu({}, { name: "gpu0" });
  const { token, claims } = await issuer().issue({ submodules: [gpu], protocol: undefined }, SIGNAL);
  const verifier = new TokenVerifier({ issuers: [own], now: () => NOW });
  verifier.rememberIssued(token, claims, own);
  await expect(verifier.verify(token, AbortSignal.timeout(1000))).rejects.toMatchObject({
    code: "token-rejected",
  });
});

test("the mark of a guest of protocol 0.1", async () => {
  const { claims } = await issuer().issue({ submodules: [cpu()], protocol: "0.1" }, SIGNAL);
  expect(claims).toHaveProperty(["keywarden.protocol"], "0.1");
});

test("AS-046 ES384 and Ed25519 keys sign when they were asked for, and another library verifies", async () => {
  for (const algorithm of ["ES384", "EdDSA"] as const) {
    const other = freshSigner(algorithm);
    const { token } = await testIssuer(fixedKeys(other)).issue(
      { submodules: [cpu()], protocol: undefined },
      SIGNAL,
    );
    const { alg, jwk } = decodeProtectedHeader(token);
    expect(alg).toBe(algorithm);
    const options = { currentDate: new Date(NOW), algorithms: [algorithm], issuer: "keywarden" };
    await expect(jwtVerify(token, await importJWK({ ...jwk }, algorithm), options)).resolves.toBeDefined();
  }
});

test("AS-046 the same key as a JWK file", () => {
  const jwk = readJson(JSON.stringify(privateKeyFrom(PEM_ES384).export({ format: "jwk" })));
  expect(createSigner(privateKeyFrom(JSON.stringify(jwk)), "ES384").kid).toBe(
    createSigner(privateKeyFrom(PEM_ES384), "ES384").kid,
  );
  expect(() => privateKeyFrom("{}")).toThrow(TypeError);
  expect(() => privateKeyFrom("{")).toThrow(TypeError);
});

describe("signing keys", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "signer-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("AS-045 is made at first start with mode 0600 and read at the second", async () => {
    const file = join(folder, "keys", "token.pem");
    const first = await loadOrCreateSigner(file);
    expect(first.created).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const second = await loadOrCreateSigner(file);
    expect(second.created).toBe(false);
    expect(second.signer.kid).toBe(first.signer.kid);
  });

  test("several first starts at once agree on one key", async () => {
    const file = join(folder, "race.pem");
    const signers = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateSigner(file)));
    expect(new Set(signers.map(({ signer: { kid } }) => kid)).size).toBe(1);
    expect(signers.filter(({ created }) => created)).toHaveLength(1);
  });

  test("one that others may read is refused", async () => {
    const file = join(folder, "open.pem");
    await loadOrCreateSigner(file);
    await chmod(file, 0o640);
    await expect(loadOrCreateSigner(file)).rejects.toMatchObject({ code: "internal" });
  });

  test("a damaged one is refused and left alone", async () => {
    const file = join(folder, "damaged.pem");
    await loadOrCreateSigner(file);
    const { writeFile } = await import("node:fs/promises");
    await writeFile(file, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    await expect(loadOrCreateSigner(file)).rejects.toMatchObject({ code: "internal" });
    expect(await readFile(file, "utf8")).toContain("AAAA");
  });

  test.each(["P-384", "P-521", "secp256k1"])("AS-046 a key on %s is refused", (namedCurve) => {
    const pem = generateKeyPairSync("ec", { namedCurve }).privateKey.export({ type: "pkcs8", format: "pem" });
    expect(() => createSigner(privateKeyFrom(String(pem)))).toThrow(TypeError);
  });

  test("AS-044 x5c holds the chain in file order; a leaf for another key is refused", async () => {
    const authority = await testAuthority();
    const { key, cert } = await authority.issue("signer");
    const chained = createSigner(privateKeyFrom(key), "ES256", {
      certificates: certificatesOf(`${cert}\n${authority.pem}`),
    });
    const der = (pem: string) => pem.replace(/-----[A-Z ]+-----|\s/g, "");
    expect(chained.publicJwk["x5c"]).toEqual([der(cert), der(authority.pem)]);
    const other = await authority.issue("other");
    const certificates = certificatesOf(other.cert);
    expect(() => createSigner(privateKeyFrom(key), "ES256", { certificates })).toThrow(TypeError);
  });
});
