import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { ReferenceValues } from "../../src/attestation/reference-values/reference-values.ts";
import { loadTrustedSigners } from "../../src/attestation/reference-values/signer-files.ts";
import { CborTag } from "../../src/crypto/cbor.ts";
import type { JsonValue } from "../../src/json/value.ts";
import { RegoEngine } from "../../src/policy/rego-engine.ts";
import { FsDocumentStore } from "../../src/storage/fs-documents.ts";
import { MemoryDocumentStore } from "../../src/storage/memory-documents.ts";
import { temporaryFolder } from "../support/folder.ts";
import {
  corim,
  digestOf,
  digests,
  map,
  measurement,
  messageOf,
  sampleMessage,
} from "../support/manifests.ts";

/** Reference values as the provider protocol has them, statement by statement, and manifests of other people's tools. */

const SIGNAL = new AbortController().signal;
const ALICE = { administrator: "alice" };
const NOBODY = { administrator: undefined };
const NOW = Date.parse("2026-06-01T00:00:00Z");
const now = () => NOW;
const golden = (name: string) => new URL(`../golden/reference-values/${name}`, import.meta.url);
const read = (name: string) => readFileSync(golden(name));

async function open(options: Partial<Parameters<typeof ReferenceValues.open>[0]> = {}) {
  return ReferenceValues.open(
    { store: new MemoryDocumentStore(), now, reportFault: () => undefined, ...options },
    SIGNAL,
  );
}

async function ask(values: ReferenceValues, expression: string): Promise<JsonValue | string> {
  const { policy } = new RegoEngine({ now }).compile([
    { file: "p.rego", text: `package policy\n\nanswer := ${expression}\n` },
  ]);
  const outcome = await policy?.evaluate(
    "data.policy.answer",
    { input: {}, referenceValues: values.snapshot() },
    SIGNAL,
  );
  return outcome?.kind === "value" ? outcome.value : `${outcome?.kind}`;
}

describe("provider protocol", () => {
  test("AS-079 AS-081 AS-082 a sample message sets each member; again replaces; a query gives the value alone", async () => {
    const values = await open();
    await values.register(sampleMessage({ a: ["1"], b: true }), ALICE, SIGNAL);
    await values.register(sampleMessage({ b: 2 }), ALICE, SIGNAL);
    expect(values.get("a")?.value).toEqual(["1"]);
    expect(values.get("b")?.value).toBe(2);
    expect(values.get("c")).toBeUndefined();
  });

  test("AS-080 no version is 0.1.0, another is refused, so is an unknown type", async () => {
    const values = await open();
    const payload = Buffer.from('{"a":1}').toString("base64");
    await values.register({ type: "sample", payload }, ALICE, SIGNAL);
    for (const [change, fault] of [
      [{ version: "0.1.1" }, "version-unsupported"],
      [{ version: null }, "version-unsupported"],
      [{ type: "slsa" }, "type-unsupported"],
    ] as const)
      await expect(
        values.register({ type: "sample", payload, ...change }, ALICE, SIGNAL),
      ).rejects.toMatchObject({ code: "reference-value-invalid", extra: { fault } });
  });

  test("AS-083 a policy sees null for an unknown name; a provider that fails ends the evaluation", async () => {
    const values = await open();
    await values.register(sampleMessage({ "rvps:///x.org/a b:v1": [1] }), ALICE, SIGNAL);
    expect(await ask(values, 'query_reference_value("rvps:///x.org/a b:v1")')).toEqual([1]);
    expect(await ask(values, 'query_reference_value("other")')).toBeNull();
    const failing = Object.assign(values, { snapshot: () => () => Promise.reject(new Error("down")) });
    expect(await ask(failing, 'query_reference_value("other")')).toBe("error");
  });

  test("AS-084 expired is absent, in queries and in policies, unless that is switched off", async () => {
    const store = new MemoryDocumentStore();
    const before = await open({ store, now: () => NOW - 400 * 86_400_000 });
    await before.register(sampleMessage({ a: 1 }), ALICE, SIGNAL);
    const strict = await open({ store });
    const lenient = await open({ store, acceptExpired: true });
    expect([strict.get("a"), await ask(strict, 'query_reference_value("a")')]).toEqual([undefined, null]);
    expect([lenient.get("a")?.value, await ask(lenient, 'query_reference_value("a")')]).toEqual([1, 1]);
  });

  test("AS-085 D2 any name comes back from memory and from files", async () => {
    const { path, dispose } = await temporaryFolder();
    const names = [
      "rvps:///a/b:c",
      "a b",
      "a//b",
      "..",
      ".",
      "/",
      "A",
      "a",
      "é",
      "e\u0301",
      "𝔘",
      "\\x2F",
      "%2F",
      "CON",
      "x".repeat(512),
    ];
    const files = () => FsDocumentStore.open(path, () => undefined);
    const memory = new MemoryDocumentStore();
    for (const [store, again] of [
      [memory, async () => memory],
      [await files(), files],
    ] as const) {
      const values = await open({ store });
      for (const [at, name] of names.entries())
        await values.register(sampleMessage({ [name]: at }), ALICE, SIGNAL);
      const reopened = await open({ store: await again() });
      for (const [at, name] of names.entries()) expect([name, reopened.get(name)?.value]).toEqual([name, at]);
      expect(reopened.list()).toHaveLength(names.length);
      for (const name of names) expect(await reopened.delete(name, SIGNAL)).toBe(true);
      expect((await open({ store: await again() })).list()).toEqual([]);
    }
    await dispose();
  });

  test("AS-086 administrators list and delete, expired values as well", async () => {
    const values = await open();
    await values.register(sampleMessage({ b: 1, a: 2 }), ALICE, SIGNAL);
    expect(values.list().map(({ name }) => name)).toEqual(["a", "b"]);
    expect([await values.delete("a", SIGNAL), await values.delete("a", SIGNAL)]).toEqual([true, false]);
  });

  test("AS-088 a CoRIM in the shape of the reference server's own example gives the name that it looks for", async () => {
    const values = await open();
    const uuid = new CborTag(37, Buffer.from("31fb5abf023e4992aa4e95f9c1503bfa", "hex"));
    const environment = map([
      0,
      map([0, new CborTag(560, Buffer.alloc(32, 1))], [1, "ACME"], [2, "RoadRunner"]),
    ]);
    const measurements = ["a1", "b2", "c3"].map((byte) => measurement(uuid, digests(digestOf(byte, 32))));
    await values.register(messageOf("corim", corim({ environment, measurements })), ALICE, SIGNAL);
    // Of several digests of one name the reference server keeps the last; here any of them is good.
    expect(values.get("ACME/RoadRunner/31fb5abf-023e-4992-aa4e-95f9c1503bfa/digests")?.value).toEqual(
      ["a1", "b2", "c3"].map((byte) => digestOf(byte, 32)),
    );
  });
});

describe("manifests made by other people's libraries", () => {
  const key = (name: string) => golden(`${name}.pub.pem`).pathname;
  const opened = async (file: string, names: readonly string[]) =>
    open({ signers: await loadTrustedSigners([{ name: "example", keys: [key(file)], names }], now) });

  test.each([
    ["es256", "p256", "p384"],
    ["es384", "p384", "p256"],
    ["eddsa", "ed25519", "p256"],
  ])(
    "AS-088 a CoRIM signed with %s by a Go library is believed by its key alone",
    async (name, own, other) => {
      const message = messageOf("corim", read(`${name}.corim`));
      const values = await opened(own, ["Example/*"]);
      const { remarks } = await values.register(message, NOBODY, SIGNAL);
      expect(remarks).toEqual([expect.stringMatching(/^left out: the svn of a measurement \(/)]);
      expect(values.list()).toMatchObject([
        { name: "Example/Board/43bbe37f-2e61-4b33-aed3-53cff1428b16/raw_bytes", value: "010203" },
        { name: "Example/Board/claim7/digests", value: ["ab12cd34".repeat(12)] },
      ]);
      expect(values.list()[0]).toMatchObject({
        expiresAt: "2027-01-01T00:00:00Z",
        provenance: { vouchedBy: "signer", signer: "example", issuedAt: "2026-01-01T00:00:00.000Z" },
      });
      const stranger = await opened(other, ["Example/*"]);
      await expect(stranger.register(message, ALICE, SIGNAL)).rejects.toMatchObject({
        code: "manifest-untrusted",
        extra: { fault: "signer-unknown" },
      });
      const narrow = await opened(own, ["Example/Board/claim*"]);
      await expect(narrow.register(message, ALICE, SIGNAL)).rejects.toMatchObject({
        extra: { fault: "name-not-permitted" },
      });
      expect([...stranger.list(), ...narrow.list()]).toEqual([]);
    },
  );

  test("the same CoRIM without a signature needs an administrator", async () => {
    const values = await opened("p256", ["*"]);
    const message = messageOf("corim", read("unsigned.corim"));
    await expect(values.register(message, NOBODY, SIGNAL)).rejects.toMatchObject({
      extra: { fault: "unsigned" },
    });
    expect((await values.register(message, ALICE, SIGNAL)).names).toHaveLength(2);
  });

  test.each([
    ["es256", "p256", "p384"],
    ["es384", "p384", "p256"],
    ["eddsa", "ed25519", "p256"],
  ])("an envelope signed with %s by a Go library is believed by its key alone", async (name, own, other) => {
    const message = messageOf("in-toto", read(`${name}.dsse`));
    const values = await opened(own, ["example/*"]);
    await values.register(message, NOBODY, SIGNAL);
    expect(values.get("example/vmlinuz")).toMatchObject({
      value: ["ab12cd34".repeat(12)],
      expiresAt: "2027-01-02T03:04:05Z",
      provenance: { signer: "example", source: "in-toto" },
    });
    const stranger = await opened(other, ["*"]);
    await expect(stranger.register(message, NOBODY, SIGNAL)).rejects.toMatchObject({
      extra: { fault: "signer-unknown" },
    });
  });
});
