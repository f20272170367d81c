import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parseMessage } from "../../../../src/attestation/reference-values/message.ts";
import { ReferenceValues } from "../../../../src/attestation/reference-values/reference-values.ts";
import { KbsError } from "../../../../src/errors.ts";
import type { JsonValue } from "../../../../src/json/value.ts";
import { writeJson } from "../../../../src/json/write.ts";
import type { DocumentStore } from "../../../../src/storage/document-store.ts";
import { FsDocumentStore } from "../../../../src/storage/fs-documents.ts";
import { MemoryDocumentStore } from "../../../../src/storage/memory-documents.ts";
import { temporaryFolder } from "../../../support/folder.ts";

const SIGNAL = new AbortController().signal;
const ALICE = { administrator: "alice" };
const BOB = { administrator: "bob" };
const START = Date.parse("2026-06-01T12:34:56.789Z");

function message(values: JsonValue, type = "sample"): JsonValue {
  return { version: "0.1.0", type, payload: Buffer.from(writeJson(values)).toString("base64") };
}

async function open(store: DocumentStore = new MemoryDocumentStore()) {
  const clock = { now: START };
  const faults: string[] = [];
  const dependencies = {
    store,
    now: () => clock.now,
    reportFault: (fault: { name: string }) => faults.push(fault.name),
  };
  return { values: await ReferenceValues.open(dependencies, SIGNAL), clock, faults };
}

async function lookup(values: ReferenceValues, ...ids: string[]): Promise<JsonValue[]> {
  const answer = await values.snapshot()(ids, SIGNAL);
  return ids.map((id) => answer.get(id) ?? null);
}

describe("reference values", () => {
  test("P73 AS-079 each member of a sample message becomes a value of any JSON type, for twelve months", async () => {
    const { values } = await open();
    const sent = { launch_digest: ["abcde"], svn: 3, smt: true, nothing: null, nested: { a: [1, "x"] } };
    expect(await values.register(message(sent), ALICE, SIGNAL)).toMatchObject({ names: Object.keys(sent) });
    for (const [name, value] of Object.entries(sent)) expect(values.get(name)?.value).toEqual(value);
    expect(values.get("svn")).toMatchObject({
      expiresAt: "2027-06-01T12:34:56Z",
      by: "alice",
      at: "2026-06-01T12:34:56.789Z",
      version: 1,
    });
  });

  test("AS-084 an expired value counts as unknown from its last second on, and is still listed", async () => {
    const { values, clock } = await open();
    await values.register(message({ a: 1 }), ALICE, SIGNAL);
    clock.now = Date.parse("2027-06-01T12:34:55.999Z");
    expect(values.get("a")?.value).toBe(1);
    expect(await lookup(values, "a")).toEqual([1]);
    clock.now = Date.parse("2027-06-01T12:34:56Z");
    expect(values.get("a")).toBeUndefined();
    expect(await lookup(values, "a")).toEqual([null]);
    expect((await values.snapshot()(["a", "b"], SIGNAL)).expired).toEqual(new Set(["a"]));
    expect(values.list().map(({ name }) => name)).toEqual(["a"]);
  });

  test("AS-080 refuses another version and an unknown type, naming what is supported; no version means 0.1.0", async () => {
    const { values } = await open();
    const payload = Buffer.from('{"a":1}').toString("base64");
    await values.register({ type: "sample", payload }, ALICE, SIGNAL);
    const refuse = (body: JsonValue) => values.register(body, ALICE, SIGNAL);
    await expect(refuse({ version: "0.2.0", type: "sample", payload })).rejects.toMatchObject({
      code: "reference-value-invalid",
    });
    for (const type of ["Sample", "slsa", "constructor", "__proto__", ""])
      await expect(refuse({ version: "0.1.0", type, payload })).rejects.toMatchObject({
        code: "reference-value-invalid",
        detail: expect.stringContaining("supported are: sample"),
      });
  });

  test("refuses what is not a message, and then registers nothing of it", async () => {
    const { values } = await open();
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const payloads = [
      "",
      "e30",
      "e30=\n",
      "@@@@",
      encode("[]"),
      encode("{}"),
      encode('{"a":1,"a":2}'),
      encode('{"a":'),
      encode('{"":1}'),
      encode('{"a":1,"b\\u0000":2}'),
    ];
    const messages: JsonValue[] = [
      null,
      [],
      "x",
      {},
      { type: "sample" },
      { type: 1, payload: "" },
      { type: "sample", payload: 1 },
    ];
    for (const body of [...messages, ...payloads.map((payload) => ({ type: "sample", payload }))])
      await expect(values.register(body, ALICE, SIGNAL)).rejects.toMatchObject({
        code: "reference-value-invalid",
      });
    expect(values.list()).toEqual([]);
  });

  test("AS-085 names with colons, slashes and spaces, and exact big integers, survive in files", async () => {
    const { path, dispose } = await temporaryFolder();
    const names = [
      "rvps:///example.org/tdx/mr_td:v1",
      "a b",
      "a/b//c",
      "../../etc/passwd",
      "é:ü",
      "x".repeat(512),
    ];
    const big = 18446744073709551615n;
    const store = await FsDocumentStore.open(path, () => undefined);
    const { values } = await open(store);
    await values.register(
      message(Object.fromEntries(names.map((name) => [name, [name, big]]))),
      ALICE,
      SIGNAL,
    );
    const { values: reopened } = await open(await FsDocumentStore.open(path, () => undefined));
    for (const name of names) expect(reopened.get(name)?.value).toEqual([name, big]);
    expect(await lookup(reopened, names[0] ?? "")).toEqual([[names[0], big]]);
    await dispose();
  });

  test("AS-081 registering a name again replaces its value", async () => {
    const { values } = await open();
    await values.register(message({ a: 1 }), ALICE, SIGNAL);
    await values.register(message({ a: [2] }), BOB, SIGNAL);
    expect(values.get("a")).toMatchObject({ value: [2], by: "bob", version: 2 });
  });

  test("AS-086 values can be listed and deleted, expired ones too", async () => {
    const { values, clock } = await open();
    await values.register(message({ b: 1, a: 2 }), ALICE, SIGNAL);
    expect(values.list().map(({ name }) => name)).toEqual(["a", "b"]);
    clock.now += 400 * 86_400_000;
    expect(await values.delete("a", SIGNAL)).toBe(true);
    expect(await values.delete("a", SIGNAL)).toBe(false);
    expect(values.list().map(({ name }) => name)).toEqual(["b"]);
  });

  test("D11 a snapshot answers from one moment, whatever happens afterwards", async () => {
    const { values } = await open();
    await values.register(message({ a: 1 }), ALICE, SIGNAL);
    const snapshot = values.snapshot();
    await values.register(message({ a: 2, b: 3 }), ALICE, SIGNAL);
    await values.delete("a", SIGNAL);
    expect([...(await snapshot(["a", "b"], SIGNAL))]).toEqual([
      ["a", 1],
      ["b", null],
    ]);
  });

  test("an expiry of one's own is taken; one that cannot be read is refused", async () => {
    const { values } = await open();
    const set = (expiresAt: string) => values.set("a", 1, { by: "alice", expiresAt }, SIGNAL);
    expect(await set("2026-07-01T02:00:00.9+02:00")).toMatchObject({ expiresAt: "2026-07-01T00:00:00Z" });
    for (const time of ["", "soon", "2026-07-01", "2026-13-01T00:00:00Z", "9999999"])
      await expect(set(time)).rejects.toMatchObject({ code: "reference-value-invalid" });
    expect(await values.set("b", 1, { by: "alice" }, SIGNAL)).toMatchObject({
      expiresAt: "2027-06-01T12:34:56Z",
    });
  });

  test("twelve months from a 29 February end on the 28th", async () => {
    const { values, clock } = await open();
    clock.now = Date.parse("2028-02-29T00:00:00Z");
    expect(await values.set("a", 1, { by: "x" }, SIGNAL)).toMatchObject({
      expiresAt: "2029-02-28T00:00:00Z",
    });
  });

  test("a stored value that cannot be read, or that would never expire, is unknown and reported", async () => {
    const store = new MemoryDocumentStore();
    const provenance = { by: "x", at: "" };
    await store.put("broken", "{", provenance, SIGNAL);
    await store.put("eternal", '{"value":1}', provenance, SIGNAL);
    await store.put("odd", '{"value":1,"expiration":"never"}', provenance, SIGNAL);
    const { values, faults } = await open(store);
    expect(values.list()).toEqual([]);
    expect(faults.sort()).toEqual(["broken", "eternal", "odd"]);
  });

  test("parsing a message ends in values or in a KbsError, on any JSON", () => {
    const json = fc.jsonValue().map((value) => value as JsonValue);
    fc.assert(
      fc.property(
        fc.oneof(
          json,
          json.map((value) => message(value)),
        ),
        (body) => {
          try {
            return parseMessage(body).extraction.values.size > 0;
          } catch (error) {
            return error instanceof KbsError && error.code === "reference-value-invalid";
          }
        },
      ),
    );
  });
});
