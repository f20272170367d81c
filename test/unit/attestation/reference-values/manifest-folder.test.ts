import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { registerManifests } from "../../../../src/attestation/reference-values/manifest-folder.ts";
import { ReferenceValues } from "../../../../src/attestation/reference-values/reference-values.ts";
import { TrustedSigners } from "../../../../src/attestation/reference-values/signers.ts";
import { writeJson } from "../../../../src/json/write.ts";
import { MemoryDocumentStore } from "../../../../src/storage/memory-documents.ts";
import { FailingDocuments } from "../../../support/failing-documents.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import {
  corim,
  ecKeys,
  envelope,
  messageOf,
  sampleMessage,
  signedCorim,
  signer,
  statement,
  swid,
} from "../../../support/manifests.ts";
import { NOW } from "../../../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const acme = ecKeys();
const now = () => NOW;
let folder: { path: string; dispose(): Promise<void> };
let store: FailingDocuments;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = new FailingDocuments(new MemoryDocumentStore());
});
afterEach(() => folder.dispose());

const file = (name: string, content: string | Uint8Array) => writeFileSync(join(folder.path, name), content);
const openValues = () =>
  ReferenceValues.open(
    { store, now, reportFault: () => undefined, signers: new TrustedSigners([signer(acme)], now) },
    SIGNAL,
  );

async function load(path = folder.path) {
  const values = await openValues();
  const outcomes = await registerManifests(values, path, SIGNAL);
  return { values, outcomes };
}

const dated = () =>
  signedCorim(corim(), acme.privateKey, { issuedAt: NOW - 1000, validUntil: NOW + 1_000_000 });

describe("a folder of manifests", () => {
  test("signed ones are registered, in the order of their names, whoever put them there", async () => {
    const signed = envelope(statement(), acme.privateKey);
    file("b.dsse", signed);
    file("a.cbor", dated());
    file("c.json", writeJson(messageOf("in-toto", signed)));
    file(".hidden", "not looked at");
    const { values, outcomes } = await load();
    expect(outcomes).toEqual([
      { file: join(folder.path, "a.cbor"), names: ["acme/X/kernel/digests"], refusal: undefined },
      { file: join(folder.path, "b.dsse"), names: ["acme/kernel"], refusal: undefined },
      { file: join(folder.path, "c.json"), names: ["acme/kernel"], refusal: undefined },
    ]);
    expect(values.get("acme/kernel")).toMatchObject({
      by: "signer:acme",
      provenance: { vouchedBy: "signer" },
    });
  });

  test("D12 what is not signed by a trusted signer is left out and told, and the rest is registered", async () => {
    file("1.json", writeJson(sampleMessage({ "acme/a": 1 })));
    file("2.json", '{"acme/a":1}');
    file("3.xml", swid());
    file("4.cbor", corim());
    file("5.cbor", signedCorim(corim(), ecKeys().privateKey));
    file("6.txt", "neither");
    file("7.cbor", signedCorim(corim(), acme.privateKey));
    mkdirSync(join(folder.path, "8"));
    symlinkSync("gone", join(folder.path, "9"));
    file("good", envelope(statement(), acme.privateKey));
    const { values, outcomes } = await load();
    expect(outcomes.map(({ refusal }) => refusal)).toEqual([
      ...Array.from({ length: 4 }, () => expect.stringContaining("not signed")),
      expect.stringContaining("no signer"),
      "The file is no manifest that is recognised.",
      expect.stringContaining("does not say when it was made"),
      "The file cannot be read.",
      "The file cannot be read.",
      undefined,
    ]);
    expect(values.list().map(({ name }) => name)).toEqual(["acme/kernel"]);
  });

  test("links are followed, as orchestrators mount folders", async () => {
    mkdirSync(join(folder.path, "..data"));
    writeFileSync(join(folder.path, "..data", "m"), envelope(statement(), acme.privateKey));
    symlinkSync(join("..data", "m"), join(folder.path, "m"));
    expect((await load()).values.list()).toHaveLength(1);
  });

  test("at the next start nothing is written anew; what was withdrawn stays withdrawn", async () => {
    file("m", envelope(statement(), acme.privateKey));
    const { values } = await load();
    store.breakAt(1);
    expect((await load()).values.get("acme/kernel")?.version).toBe(1);
    store.mend();
    await values.delete("acme/kernel", SIGNAL, "alice");
    const again = await load();
    expect(again.outcomes).toMatchObject([{ refusal: expect.stringContaining("withdrawn") }]);
    expect(again.values.list()).toEqual([]);
  });

  test("a folder that cannot be read keeps the server from starting, and so does a store", async () => {
    await expect(load(join(folder.path, "gone"))).rejects.toMatchObject({
      code: "internal",
      detail: expect.stringContaining("referenceValues.manifestFolder"),
    });
    file("m", envelope(statement(), acme.privateKey));
    store.breakAt(1);
    await expect(load()).rejects.toMatchObject({ code: "storage-unavailable" });
  });
});
