import { type KeyObject, webcrypto } from "node:crypto";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { x509 } from "../../../src/crypto/x509.ts";
import { certificatesOf, type SignerChain, type SigningAlgorithm } from "../../../src/tokens/signer.ts";
import { SigningKeys } from "../../../src/tokens/signing-keys.ts";
import { ownIssuer } from "../../../src/tokens/trusted-issuers.ts";
import { VaultTransit } from "../../../src/tokens/vault-transit.ts";
import { TokenVerifier } from "../../../src/tokens/verify.ts";
import { VaultClient } from "../../../src/vault/client.ts";
import { tokenLogin } from "../../../src/vault/login.ts";
import { TestClock } from "../../support/clock.ts";
import { cpuSubmodule, testIssuer } from "../../support/ear.ts";
import { FakeVault, type TransitType } from "../../support/fake-vault.ts";
import { NOW } from "../../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const CASES: readonly (readonly [SigningAlgorithm, TransitType])[] = [
  ["ES256", "ecdsa-p256"],
  ["ES384", "ecdsa-p384"],
  ["EdDSA", "ed25519"],
];
const ATTESTATION = { submodules: [cpuSubmodule()], protocol: undefined };

const clock = new TestClock(NOW);
let vault: FakeVault;
let tokens: string[];

async function start(type: TransitType): Promise<void> {
  vault = await FakeVault.start(type, clock.now);
  tokens = [vault.token];
}

/** @param options - the token is read from `tokens`, whose last entry stays */
function transit(
  algorithm: SigningAlgorithm = "ES256",
  options: { readonly chain?: SignerChain; readonly timeoutMs?: number; readonly namespace?: string } = {},
): VaultTransit {
  const client = new VaultClient({
    address: vault.address,
    namespace: options.namespace,
    tls: {},
    login: tokenLogin(async () => `${(tokens.length > 1 ? tokens.shift() : tokens[0]) ?? ""}\n`),
    timeoutMilliseconds: options.timeoutMs ?? 5_000,
    maxConnections: 8,
    onEvent: () => undefined,
  });
  return new VaultTransit({
    client,
    mount: "transit",
    key: "signer",
    algorithm,
    readChain: async () => options.chain,
  });
}

/** A certificate for a key whose private half nobody but Vault has. */
async function certificateFor(key: KeyObject): Promise<Buffer> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const spki = key.export({ type: "spki", format: "der" });
  const authority = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await x509.X509CertificateGenerator.create({
    subject: "CN=token signer",
    issuer: "CN=authority",
    publicKey: await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    signingKey: authority.privateKey,
    signingAlgorithm: { ...algorithm, hash: "SHA-256" },
  });
  return Buffer.from(made.rawData);
}

async function signer(source: VaultTransit = transit()) {
  const signers = (await source.load(SIGNAL)).map(({ signer: each }) => each);
  const last = signers.at(-1);
  if (last === undefined) throw new Error("no signer");
  return last;
}

beforeEach(() => start("ecdsa-p256"));
afterEach(() => vault.stop());

describe("signing with Vault transit", () => {
  test.each(CASES)("%s tokens in both encodings, with a key that never leaves", async (algorithm, type) => {
    await vault.stop();
    await start(type);
    const keys = new SigningKeys(await transit(algorithm).load(SIGNAL), {
      publishMs: 0,
      overlapMs: 0,
      now: clock.now,
    });
    const issuer = testIssuer(keys, { now: clock.now });
    const verifier = new TokenVerifier({ issuers: [ownIssuer(keys, "keywarden")], now: clock.now });
    for (const encoding of ["jwt", "cwt"] as const) {
      const { token } = await issuer.issue(ATTESTATION, SIGNAL, { encoding, profile: "trustee" });
      await expect(verifier.verify(token, SIGNAL)).resolves.toBeDefined();
    }
    expect(keys.current.verificationKey.key.equals(vault.publicKey(1))).toBe(true);
  });

  test("every version is a key of its own, with the time at which Vault made it", async () => {
    const source = transit();
    const [first] = await source.load(SIGNAL);
    clock.advance(60_000);
    vault.rotate();
    const offered = await source.load(SIGNAL);
    expect(offered.map(({ since }) => since)).toEqual([clock.now() - 60_000, clock.now()]);
    expect(offered[0]?.signer.kid).toBe(first?.signer.kid);
    const data = Buffer.from("data");
    for (const { signer: each } of offered) await expect(each.sign(data, SIGNAL)).resolves.toHaveLength(64);
  });

  test("a version below min_decryption_version is not offered", async () => {
    vault.rotate();
    vault.minDecryptionVersion = 2;
    const offered = await transit().load(SIGNAL);
    expect(offered).toHaveLength(1);
    expect(offered[0]?.signer.verificationKey.key.equals(vault.publicKey(2))).toBe(true);
  });

  test("AS-044 a version waits for its certificates; older ones go on without", async () => {
    vault.rotate();
    vault.rotate();
    const chain = { certificates: [await certificateFor(vault.publicKey(2))] };
    const offered = await transit("ES256", { chain }).load(SIGNAL);
    expect(
      offered.map(({ signer: { verificationKey, publicJwk } }) => [
        verificationKey.key.equals(vault.publicKey(1)),
        verificationKey.key.equals(vault.publicKey(2)),
        publicJwk["x5c"] !== undefined,
      ]),
    ).toEqual([
      [true, false, false],
      [false, true, true],
    ]);
  });

  test("AS-044 certificates that are for none of its versions are refused", async () => {
    const { testAuthority } = await import("../../support/tls-certificates.ts");
    const other = certificatesOf((await (await testAuthority()).issue("signer")).cert);
    await expect(transit("ES256", { chain: { certificates: other } }).load(SIGNAL)).rejects.toMatchObject({
      code: "internal",
    });
  });

  test("a key of another type is refused and says which is needed", async () => {
    await expect(transit("ES384").load(SIGNAL)).rejects.toMatchObject({
      code: "internal",
      detail: expect.stringContaining("ecdsa-p384"),
    });
  });

  test.each<[string, (data: Record<string, unknown>) => Record<string, unknown>]>([
    [
      "a signature by another version",
      (data) => ({ ...data, signature: String(data["signature"]).replace("v1", "v2") }),
    ],
    ["no signature", ({ signature: _, ...data }) => data],
    [
      "a signature of something else",
      (data) => ({ ...data, signature: `vault:v1:${Buffer.alloc(64, 1).toString("base64url")}` }),
    ],
    ["a signature in DER", (data) => ({ ...data, signature: "vault:v1:MEUCIQ" })],
  ])("an answer with %s is no token", async (_, tamper) => {
    const key = await signer();
    vault.tamper = tamper;
    await expect(key.sign(Buffer.from("data"), SIGNAL)).rejects.toMatchObject({ code: "signer-unavailable" });
  });

  test("a fresh token is read when Vault refuses the old one, once", async () => {
    tokens = ["s.old", vault.token];
    await expect(transit().load(SIGNAL)).resolves.toHaveLength(1);
    expect([...new Set(vault.requests.map(({ token }) => token))]).toEqual(["s.old", vault.token]);
    tokens = ["s.wrong"];
    vault.requests.length = 0;
    await expect(transit().load(SIGNAL)).rejects.toMatchObject({ code: "signer-unavailable" });
    expect(vault.requests.map(({ token }) => token)).toEqual(["s.wrong"]);
  });

  test("the namespace is sent, and nothing is taken from the environment", async () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      VAULT_NAMESPACE: "other",
      VAULT_TOKEN: "s.other",
      VAULT_ADDR: "http://127.0.0.1:1",
    });
    try {
      await transit("ES256", { namespace: "team" }).load(SIGNAL);
      await transit().load(SIGNAL);
      tokens = [""];
      await expect(transit().load(SIGNAL)).rejects.toMatchObject({ code: "signer-unavailable" });
    } finally {
      for (const name of ["VAULT_NAMESPACE", "VAULT_TOKEN", "VAULT_ADDR"]) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
    const asked = vault.requests.filter(({ path }) => path.includes("/transit/"));
    expect(asked.map(({ namespace }) => namespace)).toEqual(["team", undefined]);
    expect(new Set(vault.requests.map(({ token }) => token))).toEqual(new Set([vault.token]));
  });
});

describe("when Vault fails", () => {
  test("A7 sealed, stopped, silent or refusing: one sentence, and the Vault token is nowhere in the error", async () => {
    const key = await signer(transit("ES256", { timeoutMs: 100 }));
    const sign = () => key.sign(Buffer.from("data"), SIGNAL);
    const faults: unknown[] = [];
    const collect = async () => faults.push(await sign().catch((error: unknown) => error));
    vault.sealed = true;
    await collect();
    vault.sealed = false;
    vault.silent = true;
    await collect();
    vault.silent = false;
    vault.token = "s.rotated-away";
    await collect();
    await vault.stop();
    await collect();
    for (const fault of faults) {
      expect(fault).toMatchObject({
        code: "signer-unavailable",
        detail: expect.not.stringContaining("127.0.0.1"),
      });
      for (const text of [inspect(fault, { depth: 10, showHidden: true }), JSON.stringify(fault)])
        expect(text).not.toContain("s.a-token-that");
    }
    await start("ecdsa-p256");
  });

  test("whoever asks may stop waiting", async () => {
    const key = await signer();
    vault.silent = true;
    await expect(key.sign(Buffer.from("data"), AbortSignal.timeout(20))).rejects.toMatchObject({
      code: "signer-unavailable",
    });
    await expect(key.sign(Buffer.from("data"), AbortSignal.abort())).rejects.toMatchObject({
      code: "signer-unavailable",
    });
  });

  test.each<[string, Record<string, unknown>]>([
    ["no keys", { keys: undefined }],
    ["a key without a time", { keys: { 1: { public_key: "AAAA" } } }],
    ["a key that is none", { keys: { 1: { public_key: "AAAA", creation_time: "2026-01-01T00:00:00Z" } } }],
    ["an empty list", { keys: {} }],
  ])("an answer with %s is refused", async (_, change) => {
    vault.tamper = (data) => ({ ...data, ...change });
    const refused = expect.objectContaining({
      code: expect.stringMatching(/^(internal|signer-unavailable)$/),
    });
    await expect(transit().load(SIGNAL)).rejects.toEqual(refused);
  });
});
