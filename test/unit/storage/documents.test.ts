import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { DocumentStore, StoredDocument } from "../../../src/storage/document-store.ts";
import { FsDocumentStore } from "../../../src/storage/fs-documents.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";
import { DamagedRecord, parseRecord, printRecord } from "../../../src/storage/record.ts";
import { temporaryFolder } from "../../support/folder.ts";

const SIGNAL = new AbortController().signal;
const ALICE = { by: "alice", at: "2026-06-01T00:00:00Z" };

async function listed(store: DocumentStore): Promise<StoredDocument[]> {
  const documents: StoredDocument[] = [];
  for await (const document of store.list(SIGNAL)) documents.push(document);
  return documents.sort((left, right) => (left.name < right.name ? -1 : 1));
}

describe.each(["memory", "fs"])("document store contract: %s", (kind) => {
  let store: DocumentStore;
  let folder: string;
  let dispose: () => Promise<void>;
  const faults: string[] = [];
  beforeEach(async () => {
    ({ path: folder, dispose } = await temporaryFolder());
    faults.length = 0;
    store =
      kind === "memory"
        ? new MemoryDocumentStore()
        : await FsDocumentStore.open(join(folder, "documents"), ({ file }) => faults.push(file));
  });
  afterEach(async () => {
    await store.close();
    await dispose();
  });

  test("keeps text, writer and time, and counts replacements", async () => {
    expect(await store.get("a", SIGNAL)).toBeUndefined();
    expect(await store.put("a", "one\n", ALICE, SIGNAL)).toEqual({
      name: "a",
      text: "one\n",
      version: 1,
      ...ALICE,
    });
    const bob = { by: "bob", at: "2026-06-02T00:00:00Z" };
    await store.put("a", "", bob, SIGNAL);
    expect(await store.get("a", SIGNAL)).toEqual({ name: "a", text: "", version: 2, ...bob });
    expect(await store.delete("a", SIGNAL)).toBe(true);
    expect(await store.delete("a", SIGNAL)).toBe(false);
    expect(await listed(store)).toEqual([]);
  });

  test("names of any printable kind survive and stay apart", async () => {
    const names = [
      "rvps:///example.org/tdx/mr_td:v1",
      "a b",
      "A B",
      "a/b",
      "a//b",
      "..",
      ".",
      "é",
      "e\u0301",
      "名前",
      "=61",
      "+a",
      "x".repeat(512),
      "X".repeat(512),
      "%2F",
      "con",
    ];
    for (const name of names) await store.put(name, `text of ${name}`, ALICE, SIGNAL);
    for (const name of names) expect((await store.get(name, SIGNAL))?.text).toBe(`text of ${name}`);
    expect((await listed(store)).map(({ name }) => name)).toEqual([...names].sort());
    expect(faults).toEqual([]);
  });

  test("refuses names that cannot be printed or stored", async () => {
    for (const name of ["", "a\0b", "a\nb", "x".repeat(513), "\ud800"])
      await expect(store.put(name, "", ALICE, SIGNAL)).rejects.toMatchObject({ code: "malformed-request" });
  });

  test("concurrent writers of one name each get a version of their own", async () => {
    const writes = Array.from({ length: 20 }, (_, at) => store.put("a", String(at), ALICE, SIGNAL));
    const versions = (await Promise.all(writes)).map(({ version }) => version);
    expect(versions.sort((left, right) => left - right)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 1),
    );
    expect((await store.get("a", SIGNAL))?.version).toBe(20);
  });

  test("a document once read does not change", async () => {
    await store.put("a", "one", ALICE, SIGNAL);
    const held = await store.get("a", SIGNAL);
    await store.put("a", "two", ALICE, SIGNAL);
    expect(held).toMatchObject({ text: "one", version: 1 });
    expect(Object.isFrozen(held)).toBe(true);
  });

  if (kind === "fs")
    test("foreign and damaged files are named, and the rest is listed", async () => {
      await store.put("good", "text", ALICE, SIGNAL);
      await store.put("bad", "text", ALICE, SIGNAL);
      const documents = join(folder, "documents");
      expect((await stat(join(documents, "good.doc"))).mode & 0o777).toBe(0o600);
      await writeFile(join(documents, "copy.doc"), await readFile(join(documents, "good.doc")));
      await writeFile(join(documents, "bad.doc"), "garbage");
      await mkdir(join(documents, "folder"));
      expect((await listed(store)).map(({ name }) => name)).toEqual(["good"]);
      expect(faults.map((file) => file.slice(documents.length + 1)).sort()).toEqual([
        "bad.doc",
        "copy.doc",
        "folder",
      ]);
      await expect(store.get("bad", SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
      expect(await store.put("bad", "new", ALICE, SIGNAL)).toMatchObject({ version: 1 });
      expect((await readdir(documents)).filter((name) => name.startsWith(".tmp"))).toEqual([]);
    });
});

describe("records", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });

  test("parse gives back what print was given", () => {
    fc.assert(
      fc.property(name, fc.uint8Array({ maxLength: 200 }), (text, value) => {
        const record = parseRecord("secret", printRecord("secret", text, value));
        expect(record.name).toBe(text);
        expect(Buffer.from(record.value).equals(value)).toBe(true);
      }),
    );
  });

  test("any changed bit, any cut and any other bytes are a damaged record and nothing else", () => {
    const intact = printRecord("secret", "default/key/1", Buffer.from("value"));
    fc.assert(
      fc.property(fc.nat(intact.length * 8 - 1), (bit) => {
        const flipped = Buffer.from(intact);
        flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(() => parseRecord("secret", flipped)).toThrow(DamagedRecord);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => parseRecord("secret", bytes)).toThrow(DamagedRecord);
      }),
    );
    for (let length = 0; length < intact.length; length++)
      expect(() => parseRecord("secret", intact.subarray(0, length))).toThrow(DamagedRecord);
    expect(() => parseRecord("document", intact)).toThrow(DamagedRecord);
  });
});
