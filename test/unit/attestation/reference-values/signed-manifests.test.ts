import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { ReferenceValues } from "../../../../src/attestation/reference-values/reference-values.ts";
import { type TrustedSigner, TrustedSigners } from "../../../../src/attestation/reference-values/signers.ts";
import type { JsonValue } from "../../../../src/json/value.ts";
import { MemoryDocumentStore } from "../../../../src/storage/memory-documents.ts";
import { issueCertificate } from "../../../support/certificates.ts";
import {
  corim,
  digestOf,
  ecKeys,
  envelope,
  flipped,
  map,
  messageOf,
  sampleMessage,
  signedCorim,
  signer,
  statement,
  swid,
} from "../../../support/manifests.ts";
import { NOW } from "../../../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const NOBODY = { administrator: undefined };
const ALICE = { administrator: "alice" };
const DAY = 86_400_000;
const AB = digestOf("ab");
const KERNEL = "acme/X/kernel/digests";

const acme = ecKeys();
const other = ecKeys();

async function open(...signers: readonly TrustedSigner[]) {
  const clock = { now: NOW };
  const now = () => clock.now;
  const values = await ReferenceValues.open(
    {
      store: new MemoryDocumentStore(),
      now,
      reportFault: () => undefined,
      signers: new TrustedSigners(signers.length === 0 ? [signer(acme)] : signers, now),
    },
    SIGNAL,
  );
  return { values, clock };
}

const dsse = (...args: Parameters<typeof envelope>) => messageOf("in-toto", envelope(...args));
const own = (values: JsonValue, issuedAt = "2026-05-31T00:00:00Z", more = {}) =>
  statement({ predicate: { issuedAt, values, ...more } });
const refusal = (code: string, fault: string) =>
  expect.objectContaining({ code, extra: expect.objectContaining({ fault }) });

describe("D12 what nobody vouches for", () => {
  test.each([
    ["sample", sampleMessage({ "acme/a": 1 })],
    ["swid", messageOf("swid", swid())],
    ["corim", messageOf("corim", corim())],
    ["in-toto", messageOf("in-toto", JSON.stringify(statement()))],
  ])(
    "is refused, and nothing is stored: an unsigned %s message without an administrator",
    async (_type, message) => {
      const { values } = await open();
      await expect(values.register(message, NOBODY, SIGNAL)).rejects.toEqual(
        refusal("manifest-untrusted", "unsigned"),
      );
      expect(values.list()).toEqual([]);
      expect((await values.register(message, ALICE, SIGNAL)).values[0]?.provenance).toMatchObject({
        vouchedBy: "administrator",
        administrator: "alice",
      });
    },
  );

  test.each([
    ["a key of nobody", dsse(statement(), other.privateKey)],
    ["another byte in the signature", dsse(statement(), acme.privateKey, { mutate: flipped })],
    ["a signature over another type", dsse(statement(), acme.privateKey, { signedType: "text/plain" })],
    ["a signature with another hash", dsse(statement(), acme.privateKey, { hash: "sha384" })],
    ["no bytes as signature", dsse(statement(), acme.privateKey, { mutate: () => Buffer.alloc(0) })],
    ["COSE: a key of nobody", messageOf("corim", signedCorim(corim(), other.privateKey))],
    ["COSE: another byte", messageOf("corim", signedCorim(corim(), acme.privateKey, { mutate: flipped }))],
  ])("is refused even from an administrator when it is signed: %s", async (_what, message) => {
    const { values } = await open();
    for (const submitter of [NOBODY, ALICE])
      await expect(values.register(message, submitter, SIGNAL)).rejects.toEqual(
        refusal("manifest-untrusted", "signer-unknown"),
      );
    expect(values.list()).toEqual([]);
  });

  test("any flipped byte of a signed payload is refused", async () => {
    const { values } = await open();
    const payload = signedCorim(corim(), acme.privateKey, { issuedAt: NOW - DAY, validUntil: NOW + DAY });
    for (let at = 0; at < payload.length; at += 1) {
      const bytes = Buffer.from(payload);
      bytes[at] = (bytes[at] ?? 0) ^ 0x20;
      await expect(values.register(messageOf("corim", bytes), NOBODY, SIGNAL)).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:manifest-untrusted|reference-value-invalid)$/),
      });
    }
    expect(values.list()).toEqual([]);
  });

  test("a signer without configuration is nobody", async () => {
    const values = await ReferenceValues.open(
      { store: new MemoryDocumentStore(), now: () => NOW, reportFault: () => undefined },
      SIGNAL,
    );
    await expect(values.register(dsse(statement(), acme.privateKey), ALICE, SIGNAL)).rejects.toEqual(
      refusal("manifest-untrusted", "signer-unknown"),
    );
  });
});

describe("signed manifests", () => {
  test("a statement in an envelope sets values, and what is known of them is kept", async () => {
    const { values } = await open();
    const done = await values.register(dsse(statement(), acme.privateKey), NOBODY, SIGNAL);
    expect(done.names).toEqual(["acme/kernel"]);
    expect(values.get("acme/kernel")).toMatchObject({
      value: [AB],
      by: "signer:acme",
      at: new Date(NOW).toISOString(),
      expiresAt: "2027-05-31T00:00:00Z",
      provenance: {
        vouchedBy: "signer",
        signer: "acme",
        signerKey: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        source: "in-toto",
        payloadDigest: expect.stringMatching(/^sha384:[0-9a-f]{96}$/),
        issuedAt: "2026-05-31T00:00:00.000Z",
      },
    });
  });

  test("both who signed and who sent it are kept", async () => {
    const { values } = await open();
    await values.register(dsse(statement(), acme.privateKey), ALICE, SIGNAL);
    expect(values.get("acme/kernel")).toMatchObject({
      by: "alice",
      provenance: { vouchedBy: "signer", signer: "acme", administrator: "alice" },
    });
  });

  test.each([
    ["P-256, DER", "ES256", ecKeys("P-256"), { hash: "sha256" }],
    ["P-256, r and s", "ES256", ecKeys("P-256"), { hash: "sha256", encoding: "ieee-p1363" }],
    ["P-384, DER", "ES384", ecKeys("P-384"), { hash: "sha384" }],
    ["P-521, DER", "ES512", ecKeys("P-521"), { hash: "sha512" }],
    ["Ed25519", "EdDSA", generateKeyPairSync("ed25519"), { hash: null }],
  ] as const)("envelopes may be signed with %s", async (_what, algorithm, keys, fields) => {
    const { values } = await open(signer(keys, { keys: [{ algorithm, key: keys.publicKey }] }));
    await values.register(dsse(statement(), keys.privateKey, fields), NOBODY, SIGNAL);
    expect(values.get("acme/kernel")?.value).toEqual([AB]);
  });

  test.each([
    ["ES256", ecKeys("P-256")],
    ["ES384", ecKeys("P-384")],
    ["ES512", ecKeys("P-521")],
    ["EdDSA", generateKeyPairSync("ed25519")],
  ] as const)("CoRIMs may be signed with %s", async (algorithm, keys) => {
    const { values } = await open(signer(keys, { keys: [{ algorithm, key: keys.publicKey }] }));
    const payload = signedCorim(corim(), keys.privateKey, {
      algorithm,
      issuedAt: NOW - DAY,
      validUntil: NOW + DAY,
    });
    await values.register(messageOf("corim", payload), NOBODY, SIGNAL);
    expect(values.get(KERNEL)).toMatchObject({ value: [AB], expiresAt: "2026-06-02T00:00:00Z" });
  });

  test("a CoRIM's certificates count when they end in the signer's root", async () => {
    const root = await issueCertificate({ name: "root", ca: true });
    const leaf = await issueCertificate({ name: "leaf", issuer: root });
    const stranger = await issueCertificate({ name: "root", ca: true });
    const fields = { unprotected: map([33, [leaf.certificate.der, root.certificate.der]]) };
    const payload = signedCorim(corim(), leaf.privateKey, {
      issuedAt: NOW - DAY,
      validUntil: NOW + DAY,
      ...fields,
    });
    const anchored = (anchor: typeof root) => signer(acme, { keys: [], anchors: [anchor.certificate] });
    const { values, clock } = await open(anchored(root));
    await values.register(messageOf("corim", payload), NOBODY, SIGNAL);
    expect(values.get(KERNEL)?.provenance).toMatchObject({ signer: "acme" });
    const wrong = await open(anchored(stranger));
    await expect(wrong.values.register(messageOf("corim", payload), NOBODY, SIGNAL)).rejects.toEqual(
      refusal("manifest-untrusted", "signer-unknown"),
    );
    const byAnother = signedCorim(corim(), acme.privateKey, fields);
    await expect(values.register(messageOf("corim", byAnother), ALICE, SIGNAL)).rejects.toEqual(
      refusal("manifest-untrusted", "signer-unknown"),
    );
    clock.now += 2 * DAY;
    const late = signedCorim(corim(), leaf.privateKey, {
      issuedAt: NOW,
      validUntil: NOW + 9 * DAY,
      ...fields,
    });
    await expect(values.register(messageOf("corim", late), ALICE, SIGNAL)).rejects.toEqual(
      refusal("manifest-untrusted", "signer-unknown"),
    );
  });

  test("D12 names beyond the signer's own are refused, and then none is set", async () => {
    const { values } = await open();
    const message = dsse(own({ "acme/a": 1, "beta/b": 2 }), acme.privateKey);
    await expect(values.register(message, ALICE, SIGNAL)).rejects.toEqual(
      refusal("manifest-untrusted", "name-not-permitted"),
    );
    expect(values.list()).toEqual([]);
  });

  test("D12 one signer never replaces a value of another, nor of an administrator", async () => {
    // Even if the configuration, which refuses this, had let them share names.
    const { values } = await open(signer(acme), signer(other, { name: "beta" }));
    await values.register(dsse(statement(), acme.privateKey), NOBODY, SIGNAL);
    const beta = dsse(own({ "acme/kernel": ["evil"] }), other.privateKey);
    for (const submitter of [NOBODY, ALICE])
      await expect(values.register(beta, submitter, SIGNAL)).rejects.toEqual(
        refusal("manifest-untrusted", "name-taken"),
      );
    expect(values.get("acme/kernel")?.value).toEqual([AB]);
    await values.register(sampleMessage({ "acme/pinned": [1] }), ALICE, SIGNAL);
    await expect(
      values.register(dsse(own({ "acme/pinned": [2] }), acme.privateKey), NOBODY, SIGNAL),
    ).rejects.toEqual(refusal("manifest-untrusted", "name-taken"));
    expect(values.get("acme/pinned")?.value).toEqual([1]);
  });

  test("the signer who may set every name is chosen when several signed", async () => {
    const { values } = await open(signer(acme), signer(other, { name: "beta", names: ["beta/*"] }));
    const both = (payload: JsonValue) => {
      const [first, second] = [acme, other].map(({ privateKey }) =>
        JSON.parse(envelope(payload, privateKey)),
      );
      return messageOf(
        "in-toto",
        JSON.stringify({ ...first, signatures: [...first.signatures, ...second.signatures] }),
      );
    };
    await values.register(both(own({ "beta/b": 1 })), NOBODY, SIGNAL);
    expect(values.get("beta/b")?.provenance).toMatchObject({ signer: "beta" });
  });
});

describe("replay", () => {
  const first = dsse(own({ "acme/kernel": ["old"] }, "2026-05-01T00:00:00Z"), acme.privateKey);
  const second = dsse(own({ "acme/kernel": ["new"] }, "2026-05-02T00:00:00Z"), acme.privateKey);
  const superseded = refusal("manifest-untrusted", "superseded");

  test("an older manifest does not bring an old value back; the same one again changes nothing", async () => {
    const { values } = await open();
    await values.register(first, NOBODY, SIGNAL);
    await values.register(second, NOBODY, SIGNAL);
    for (const submitter of [NOBODY, ALICE])
      await expect(values.register(first, submitter, SIGNAL)).rejects.toEqual(superseded);
    await values.register(second, NOBODY, SIGNAL);
    expect(values.get("acme/kernel")).toMatchObject({ value: ["new"], expiresAt: "2027-05-02T00:00:00Z" });
  });

  test("what an administrator withdrew stays withdrawn, also after a restart, until a newer manifest", async () => {
    const store = new MemoryDocumentStore();
    const clock = { now: NOW };
    const now = () => clock.now;
    const signers = new TrustedSigners([signer(acme)], now);
    const reopen = () => ReferenceValues.open({ store, now, reportFault: () => undefined, signers }, SIGNAL);
    const before = await reopen();
    await before.register(second, NOBODY, SIGNAL);
    expect(await before.delete("acme/kernel", SIGNAL, "alice")).toBe(true);
    expect(await before.delete("acme/kernel", SIGNAL, "alice")).toBe(false);
    for (const values of [before, await reopen()]) {
      expect(values.list()).toEqual([]);
      expect(values.get("acme/kernel")).toBeUndefined();
      await expect(values.register(second, NOBODY, SIGNAL)).rejects.toEqual(superseded);
    }
    clock.now += DAY;
    const third = dsse(
      own({ "acme/kernel": ["third"] }, new Date(NOW + 1000).toISOString()),
      acme.privateKey,
    );
    await before.register(third, NOBODY, SIGNAL);
    expect(before.get("acme/kernel")?.value).toEqual(["third"]);
  });

  test("an administrator may bring a withdrawn manifest back", async () => {
    const { values } = await open();
    await values.register(second, NOBODY, SIGNAL);
    await values.delete("acme/kernel", SIGNAL);
    await values.register(second, ALICE, SIGNAL);
    expect(values.get("acme/kernel")?.value).toEqual(["new"]);
  });

  test("an administrator's value, set over a signed one and deleted, does not open the door either", async () => {
    const { values } = await open();
    await values.register(second, NOBODY, SIGNAL);
    const { remarks } = await values.register(sampleMessage({ "acme/kernel": ["mine"] }), ALICE, SIGNAL);
    expect(remarks).toEqual([expect.stringContaining("signer acme, who can no longer set it")]);
    await values.delete("acme/kernel", SIGNAL);
    await expect(values.register(second, NOBODY, SIGNAL)).rejects.toEqual(superseded);
  });

  test("a manifest that does not say when it was made needs an administrator", async () => {
    const { values } = await open();
    const undated = messageOf("corim", signedCorim(corim(), acme.privateKey));
    await expect(values.register(undated, NOBODY, SIGNAL)).rejects.toEqual(
      refusal("manifest-untrusted", "issue-time-missing"),
    );
    await values.register(undated, ALICE, SIGNAL);
    const dated = signedCorim(corim(), acme.privateKey, { issuedAt: NOW - DAY, validUntil: NOW + DAY });
    await expect(values.register(messageOf("corim", dated), NOBODY, SIGNAL)).rejects.toEqual(superseded);
  });

  test("sending a manifest again does not make its values live longer", async () => {
    const { values, clock } = await open();
    await values.register(second, NOBODY, SIGNAL);
    clock.now += 300 * DAY;
    await values.register(second, NOBODY, SIGNAL);
    expect(values.get("acme/kernel")?.expiresAt).toBe("2027-05-02T00:00:00Z");
    clock.now += 100 * DAY;
    await expect(values.register(second, NOBODY, SIGNAL)).rejects.toEqual(
      refusal("reference-value-invalid", "expired"),
    );
  });
});

describe("times of manifests", () => {
  test.each([
    [
      "expired",
      own({ "acme/a": 1 }, "2026-05-01T00:00:00Z", { expiresAt: "2026-06-01T00:00:00Z" }),
      "expired",
    ],
    ["from the future", own({ "acme/a": 1 }, "2026-06-01T00:06:00Z"), "not-yet-valid"],
    ["without its time", statement({ predicate: { values: { "acme/a": 1 } } }), "payload-malformed"],
    ["with a time that is none", own({ "acme/a": 1 }, "yesterday"), "payload-malformed"],
  ])("one %s is refused", async (_what, payload, fault) => {
    const { values } = await open();
    await expect(values.register(dsse(payload, acme.privateKey), ALICE, SIGNAL)).rejects.toEqual(
      refusal("reference-value-invalid", fault),
    );
  });

  test("AS-084 an expiry of the manifest holds, whatever the message asks for", async () => {
    const { values, clock } = await open();
    const payload = own({ "acme/a": 1 }, "2026-05-31T00:00:00Z", { expiresAt: "2026-06-02T00:00:00Z" });
    const message = messageOf("in-toto", envelope(payload, acme.privateKey), {
      expiration: "2030-01-01T00:00:00Z",
    });
    await expect(values.register(message, NOBODY, SIGNAL)).rejects.toEqual(
      refusal("reference-value-invalid", "expiry-invalid"),
    );
    await values.register(message, ALICE, SIGNAL);
    expect(values.get("acme/a")?.expiresAt).toBe("2026-06-02T00:00:00Z");
    clock.now = Date.parse("2026-06-02T00:00:00Z");
    expect(values.get("acme/a")).toBeUndefined();
  });
});
