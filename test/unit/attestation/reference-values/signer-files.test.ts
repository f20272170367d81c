import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ReferenceValues } from "../../../../src/attestation/reference-values/reference-values.ts";
import { loadTrustedSigners } from "../../../../src/attestation/reference-values/signer-files.ts";
import { writePem } from "../../../../src/crypto/pem.ts";
import { MemoryDocumentStore } from "../../../../src/storage/memory-documents.ts";
import { issueCertificate } from "../../../support/certificates.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { ecKeys, envelope, messageOf, statement } from "../../../support/manifests.ts";
import { NOW } from "../../../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const now = () => NOW;
const acme = ecKeys();
const other = ecKeys();
let folder: { path: string; dispose(): Promise<void> };

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();

function file(name: string, content: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
}

const load = (...signers: Parameters<typeof loadTrustedSigners>[0]) => loadTrustedSigners(signers, now);
const signer = (keys: readonly string[], name = "acme") => ({ name, keys, names: [`${name}/*`] });

/** Whether a manifest that `acme` signed is believed. */
async function believes(keys: readonly string[]): Promise<boolean> {
  const signers = await load(signer(keys));
  const dependencies = { store: new MemoryDocumentStore(), now, reportFault: () => undefined, signers };
  const values = await ReferenceValues.open(dependencies, SIGNAL);
  const message = messageOf("in-toto", envelope(statement(), acme.privateKey));
  return values.register(message, { administrator: undefined }, SIGNAL).then(
    () => true,
    () => false,
  );
}

describe("keys of signers", () => {
  test.each([
    ["PEM", () => pem(acme.publicKey)],
    ["PEM with several keys", () => pem(other.publicKey) + pem(acme.publicKey)],
    ["a JWK", () => JSON.stringify(acme.publicKey.export({ format: "jwk" }))],
    [
      "a JWK set",
      () => JSON.stringify({ keys: [other, acme].map((each) => each.publicKey.export({ format: "jwk" })) }),
    ],
  ])("are read from %s", async (_what, content) => {
    expect(await believes([file("key", content())])).toBe(true);
  });

  test("of several files every one counts, and no other key does", async () => {
    const [a, b] = [file("a", pem(acme.publicKey)), file("b", pem(other.publicKey))];
    expect([await believes([b, a]), await believes([b])]).toEqual([true, false]);
  });

  test.each([
    [
      "a private key",
      () => acme.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      "private key",
    ],
    [
      "a private JWK",
      () => JSON.stringify(acme.privateKey.export({ format: "jwk" })),
      "no usable public key",
    ],
    ["a symmetric JWK", () => '{"kty":"oct","k":"AAAA"}', "no usable public key"],
    ["nothing", () => "", "no usable public key"],
    ["an empty JWK set", () => '{"keys":[]}', "no public key"],
    ["PEM of something else", () => writePem("CERTIFICATE", Buffer.from([1])), "no public key"],
    ["a damaged key", () => writePem("PUBLIC KEY", Buffer.from([1, 2, 3])), "no usable public key"],
    [
      "an RSA key",
      () => pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey),
      "P-256, P-384, P-521 or Ed25519",
    ],
    ["a key on another curve", () => pem(ecKeys("secp256k1").publicKey), "P-256, P-384, P-521 or Ed25519"],
  ])("keep the server from starting when a file holds %s", async (_what, content, sentence) => {
    await expect(load(signer([file("bad", content())]))).rejects.toMatchObject({
      code: "internal",
      detail: expect.stringMatching(
        new RegExp(`^referenceValues\\.trustedSigners\\[0\\]\\.keys\\[0\\].*${sentence}`),
      ),
    });
  });

  test("a file that is not there is named", async () => {
    const gone = join(folder.path, "gone");
    await expect(load(signer([gone]))).rejects.toMatchObject({ detail: expect.stringContaining(gone) });
  });

  test("D12 one key is not two signers", async () => {
    const key = file("shared", pem(acme.publicKey));
    await expect(load(signer([key]), signer([key], "beta"))).rejects.toMatchObject({
      detail: expect.stringContaining("gives beta a key of acme"),
    });
  });

  test("roots must be roots", async () => {
    const root = await issueCertificate({ name: "root", ca: true });
    const leaf = await issueCertificate({ name: "leaf", issuer: root });
    const roots = (name: string, content: string) => ({ ...signer([]), certificates: file(name, content) });
    const [good, below] = [root, leaf].map(({ certificate }) => writePem("CERTIFICATE", certificate.der));
    await expect(load(roots("root.pem", good ?? ""))).resolves.toBeDefined();
    await expect(load(roots("leaf.pem", below ?? ""))).rejects.toMatchObject({ code: "internal" });
    await expect(load(roots("none.pem", ""))).rejects.toMatchObject({
      detail: expect.stringContaining("holds no PEM certificate"),
    });
  });
});
