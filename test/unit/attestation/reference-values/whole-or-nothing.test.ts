import { describe, expect, test } from "@jest/globals";
import { RESERVED_NAME } from "../../../../src/attestation/reference-values/manifest.ts";
import { ReferenceValues } from "../../../../src/attestation/reference-values/reference-values.ts";
import type { DocumentStore } from "../../../../src/storage/document-store.ts";
import { FsDocumentStore } from "../../../../src/storage/fs-documents.ts";
import { MemoryDocumentStore } from "../../../../src/storage/memory-documents.ts";
import { FailingDocuments } from "../../../support/failing-documents.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { sampleMessage } from "../../../support/manifests.ts";

const SIGNAL = new AbortController().signal;
const ALICE = { administrator: "alice" };
const BOB = { administrator: "bob" };
const NOW = Date.parse("2026-06-01T00:00:00Z");
const NAMES = ["a", "b:c", "d/e f", "ü"];

async function open(store: DocumentStore) {
  const faults: string[] = [];
  const values = await ReferenceValues.open(
    { store, now: () => NOW, reportFault: ({ name }) => faults.push(name) },
    SIGNAL,
  );
  return { values, faults };
}

const all = (value: number) => sampleMessage(Object.fromEntries(NAMES.map((name) => [name, value])));
const content = (values: ReferenceValues) =>
  values.list().map(({ name, value, by }) => ({ name, value, by }));

const STORES = [
  ["memory", async () => ({ store: new MemoryDocumentStore(), dispose: async () => undefined })],
  [
    "files",
    async () => {
      const { path, dispose } = await temporaryFolder();
      return { store: await FsDocumentStore.open(path, () => undefined), dispose };
    },
  ],
] as const;

describe.each(STORES)("a message of several values in %s", (_kind, make) => {
  // The record, four values, the end of the record: whichever of the six writes is the first to fail.
  test.each([1, 2, 3, 4, 5, 6])(
    "AS-112 leaves everything as it was when write %i fails, in memory, in the store, and after a restart",
    async (failing) => {
      const { store, dispose } = await make();
      const broken = new FailingDocuments(store);
      const { values } = await open(broken);
      await values.register(sampleMessage({ a: 1, "b:c": 1 }), ALICE, SIGNAL);
      const before = content(values);
      broken.breakAt(failing);
      await expect(values.register(all(2), BOB, SIGNAL)).rejects.toMatchObject({
        code: "storage-unavailable",
      });
      expect(content(values)).toEqual(before);
      broken.mend();
      const { values: reopened, faults } = await open(store);
      expect(content(reopened)).toEqual(before);
      expect(faults.sort()).toEqual(failing === 1 ? [] : [...NAMES].sort());
      await reopened.register(all(3), BOB, SIGNAL);
      expect(content((await open(store)).values)).toEqual(
        NAMES.map((name) => ({ name, value: 3, by: "bob" })),
      );
      await dispose();
    },
  );

  test.each([
    ["one value", sampleMessage({ a: 5 })],
    ["several", sampleMessage({ a: 5, "b:c": 5 })],
  ])("what is registered after a failure that could not be undone stays: %s", async (_what, message) => {
    const { store, dispose } = await make();
    const broken = new FailingDocuments(store);
    const { values } = await open(broken);
    await values.register(sampleMessage({ a: 1, "b:c": 1 }), ALICE, SIGNAL);
    broken.breakAt(4);
    await expect(values.register(all(2), BOB, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    broken.mend();
    await values.register(message, ALICE, SIGNAL);
    const { values: reopened, faults } = await open(store);
    expect(content(reopened)).toEqual(content(values));
    expect(faults).toEqual([]);
    await dispose();
  });

  test("what is withdrawn after a failure that could not be undone stays withdrawn", async () => {
    const { store, dispose } = await make();
    const broken = new FailingDocuments(store);
    const { values } = await open(broken);
    await values.register(sampleMessage({ a: 1, "b:c": 1 }), ALICE, SIGNAL);
    broken.breakAt(4);
    await expect(values.register(all(2), BOB, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    broken.mend();
    expect(await values.delete("a", SIGNAL)).toBe(true);
    expect(content((await open(store)).values).map(({ name }) => name)).toEqual(["b:c"]);
    await dispose();
  });

  test("is undone at once when only one write failed", async () => {
    const { store, dispose } = await make();
    const broken = new FailingDocuments(store);
    const { values } = await open(broken);
    await values.register(sampleMessage({ a: 1, "b:c": 1 }), ALICE, SIGNAL);
    const before = content(values);
    const put = broken.put.bind(broken);
    broken.put = async (name, ...rest) => {
      if (name === "ü") throw new Error("one file cannot be written");
      return put(name, ...rest);
    };
    await expect(values.register(all(2), BOB, SIGNAL)).rejects.toThrow("one file");
    const { values: reopened, faults } = await open(store);
    expect(content(reopened)).toEqual(before);
    expect(faults).toEqual([]);
    await dispose();
  });

  test("the record of what is being replaced is no value, and nobody can register one of its name", async () => {
    const { store, dispose } = await make();
    const { values } = await open(store);
    await expect(values.register(sampleMessage({ [RESERVED_NAME]: 1 }), ALICE, SIGNAL)).rejects.toMatchObject(
      {
        code: "reference-value-invalid",
        extra: { fault: "name-invalid" },
      },
    );
    await store.put(RESERVED_NAME, "[]", { by: "x", at: "" }, SIGNAL);
    await values.refresh(SIGNAL);
    expect(values.list()).toEqual([]);
    await dispose();
  });

  test("a record that cannot be read keeps the server from starting: which values are whole is unknown", async () => {
    const { store, dispose } = await make();
    await store.put(RESERVED_NAME, '[{"name":"a","text":5}]', { by: "x", at: "" }, SIGNAL);
    await expect(open(store)).rejects.toThrow();
    await dispose();
  });
});

test("who gives up in the middle leaves nothing behind", async () => {
  const store = new MemoryDocumentStore();
  const { values } = await open(store);
  const controller = new AbortController();
  const put = store.put.bind(store);
  store.put = async (name, ...rest) => {
    if (name === "b:c") controller.abort();
    return put(name, ...rest);
  };
  await expect(values.register(all(1), ALICE, controller.signal)).rejects.toThrow();
  expect(content((await open(store)).values)).toEqual([]);
});

test("AS-113 messages at the same time are registered one after the other, none of them torn", async () => {
  const store = new MemoryDocumentStore();
  const { values } = await open(store);
  await Promise.all([1, 2, 3, 4, 5].map((value) => values.register(all(value), ALICE, SIGNAL)));
  expect(new Set(values.list().map(({ value }) => value)).size).toBe(1);
  expect(content((await open(store)).values)).toEqual(content(values));
});

test("is bounded: values of a message, length of names and values, the payload", async () => {
  const { values } = await open(new MemoryDocumentStore());
  const refused = async (message: Parameters<typeof values.register>[0], fault: string) =>
    expect(values.register(message, ALICE, SIGNAL)).rejects.toMatchObject({
      code: "reference-value-invalid",
      extra: { fault },
    });
  await refused(
    sampleMessage(Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`n${at}`, at]))),
    "too-many-values",
  );
  await refused(sampleMessage({ ["x".repeat(513)]: 1 }), "name-invalid");
  await refused(sampleMessage({ a: "x".repeat(1024 * 1024) }), "value-invalid");
  await refused({ type: "sample", payload: "A".repeat(12 * 1024 * 1024) }, "payload-too-large");
  await refused(sampleMessage({ a: 1 }, { expiration: "2026-05-31T00:00:00Z" }), "expiry-invalid");
  await refused(sampleMessage({ a: 1 }, { expiration: "2099-01-01T00:00:00Z" }), "expiry-invalid");
  await refused(sampleMessage({ a: 1 }, { expiration: "soon" }), "expiry-invalid");
  await refused(sampleMessage({ a: 1 }, { expiration: 5 }), "expiry-invalid");
  expect(values.list()).toEqual([]);
  await values.register(sampleMessage({ a: 1 }, { expiration: "2026-06-02T00:00:00Z" }), ALICE, SIGNAL);
  expect(values.get("a")?.expiresAt).toBe("2026-06-02T00:00:00Z");
});

test("values stored before provenance was written down are read, and said to be of unknown origin", async () => {
  const store = new MemoryDocumentStore();
  const text = '{"version":"0.1.0","name":"svn","expiration":"2027-01-01T00:00:00Z","value":[1]}';
  await store.put("svn", text, { by: "carol", at: "2026-01-01T00:00:00Z" }, SIGNAL);
  const { values } = await open(store);
  expect(values.get("svn")).toMatchObject({ value: [1], by: "carol", provenance: { vouchedBy: "unknown" } });
});

test("AS-084 expired values answer policies only where that was asked for", async () => {
  const store = new MemoryDocumentStore();
  const text = '{"version":"0.1.0","name":"svn","expiration":"2026-01-01T00:00:00Z","value":[1]}';
  await store.put("svn", text, { by: "carol", at: "2026-01-01T00:00:00Z" }, SIGNAL);
  const dependencies = { store, now: () => NOW, reportFault: () => undefined };
  const strict = await ReferenceValues.open(dependencies, SIGNAL);
  const lenient = await ReferenceValues.open({ ...dependencies, acceptExpired: true }, SIGNAL);
  expect([strict.get("svn"), lenient.get("svn")?.value]).toEqual([undefined, [1]]);
  expect((await lenient.snapshot()(["svn"], SIGNAL)).get("svn")).toEqual([1]);
  expect((await strict.snapshot()(["svn"], SIGNAL)).get("svn")).toBeNull();
  expect(lenient.list().map((value) => lenient.isExpired(value))).toEqual([true]);
});
