import { readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member, writeJson } from "../../json/write.ts";
import {
  type DocumentStore,
  MAX_DOCUMENT_BYTES,
  type Provenance,
  type StoredDocument,
} from "../../storage/document-store.ts";
import { malformed, RESERVED_NAME } from "./manifest.ts";

/**
 * Several documents at once, on a store that writes one at a time. Before the first of them is written, what they
 * replace is; that record is removed after the last one. Whoever finds the record puts the old state back: the
 * registration did not finish, and nobody was told that it did. This is for stores that one process writes; of several,
 * one would take another's registration in progress for one that broke off.
 */

export interface DocumentDraft {
  readonly name: string;
  readonly text: string;
}

/** What was there before, by name; `undefined` for names that were not. */
type Before = ReadonlyMap<string, StoredDocument | undefined>;

/**
 * @returns what is stored now, in the order of the drafts
 * @throws whatever the store throws, and then the documents are as they were, at the latest after `recover`
 */
export async function putAll(
  store: DocumentStore,
  drafts: readonly DocumentDraft[],
  provenance: Provenance,
  signal: AbortSignal,
): Promise<readonly StoredDocument[]> {
  const [only] = drafts;
  if (only !== undefined && drafts.length === 1)
    return [await store.put(only.name, only.text, provenance, signal)];
  const before = await readAll(store, drafts, signal);
  await store.put(RESERVED_NAME, printBefore(before), provenance, signal);
  try {
    const stored = await sideBySide(drafts, ({ name, text }) => store.put(name, text, provenance, signal));
    await store.delete(RESERVED_NAME, signal);
    return stored;
  } catch (error) {
    await goBack(store, before).catch(() => undefined);
    throw error;
  }
}

/**
 * Puts back what an unfinished registration had begun to replace.
 * @returns the names that were put back; empty when there was nothing to do
 * @throws Error when the record cannot be read: then nobody knows which values are whole
 */
export async function recover(store: DocumentStore, signal: AbortSignal): Promise<readonly string[]> {
  const record = await store.get(RESERVED_NAME, signal);
  if (record === undefined) return [];
  const before = parseBefore(record.text);
  await goBack(store, before);
  return [...before.keys()];
}

async function readAll(
  store: DocumentStore,
  drafts: readonly DocumentDraft[],
  signal: AbortSignal,
): Promise<Before> {
  return new Map(
    await sideBySide(drafts, async ({ name }) => [name, await store.get(name, signal)] as const),
  );
}

/** Documents read or written at once: durable writes are mostly waiting. */
const WIDTH = 32;

/** When one fails, the others that had begun have ended before the error is thrown. */
async function sideBySide<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += WIDTH) {
    const settled = await Promise.allSettled(items.slice(at, at + WIDTH).map(work));
    for (const each of settled) {
      if (each.status === "rejected") throw each.reason;
      results.push(each.value);
    }
  }
  return results;
}

/** Not under the caller's signal: who gives up in the middle must not leave half a registration. */
async function goBack(store: DocumentStore, before: Before): Promise<void> {
  const { signal } = new AbortController();
  await sideBySide([...before], async ([name, document]) => {
    if (document === undefined) await store.delete(name, signal);
    else await store.put(name, document.text, document, signal);
  });
  await store.delete(RESERVED_NAME, signal);
}

function printBefore(before: Before): string {
  const entries = Array.from(
    before,
    ([name, document]): JsonObject =>
      document === undefined ? { name } : { name, text: document.text, by: document.by, at: document.at },
  );
  const text = writeJson(entries);
  if (Buffer.byteLength(text) > MAX_DOCUMENT_BYTES)
    throw malformed(
      "too-many-values",
      "the values that this message replaces are too long to be replaced in one step; send several messages",
    );
  return text;
}

function parseBefore(text: string): Before {
  const entries = readJson(text);
  if (!isArray(entries)) throw new Error("not a record of an unfinished registration");
  return new Map(entries.map(parseBeforeEntry));
}

function parseBeforeEntry(entry: JsonValue): readonly [string, StoredDocument | undefined] {
  const object = isObject(entry) ? entry : {};
  const [name, text, by, at] = ["name", "text", "by", "at"].map((field) => member(object, field));
  if (typeof name !== "string") throw new Error("not a record of an unfinished registration");
  if (text === undefined) return [name, undefined];
  if (typeof text !== "string" || typeof by !== "string" || typeof at !== "string")
    throw new Error("not a record of an unfinished registration");
  return [name, { name, text, by, at, version: 0 }];
}
