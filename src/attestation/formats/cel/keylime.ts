/**
 * Logs of Keylime agents: a collection of evidence as a CMW (RATS Conceptual Messages Wrapper), and the binary log of its
 * prototype, whose digests are not what registers were extended with.
 */
import { asBuffer } from "../../../crypto/bytes.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { checkLength, EventLogError, type LogLimits } from "../eventlog/event-log.ts";
import { bytesOf } from "./json-bytes.ts";
import { CEL } from "./record.ts";
import { Elements, inside } from "./tlv.ts";

const COLLECTION_TYPE = "tag:keylime.org,2025:tpm2-agent";
const EVENT_LOG_MEDIA_TYPE = "application/vnd.keylime.cel";

/** Items of a Keylime collection by their label: media type and bytes. */
export type KeylimeItems = ReadonlyMap<string, { readonly mediaType: string; readonly bytes: Buffer }>;

const COLLECTION_LIMITS = { maxDepth: 4, maxParts: 256 };
const MOST_ITEMS = 64;

/**
 * Reads the collection that a Keylime agent makes of a quote and its logs.
 *
 * @throws EventLogError
 */
export function readKeylimeCollection(bytes: Uint8Array, limits: LogLimits = {}): KeylimeItems {
  checkLength(bytes, limits);
  const json = readDocument(bytes);
  const evidence = isObject(json) ? member(json, "evidence") : undefined;
  if (!isObject(json) || member(json, "__cmwc_t") !== COLLECTION_TYPE || !isObject(evidence))
    throw new EventLogError("no collection of a Keylime agent", 0);
  return itemsOf(evidence);
}

function readDocument(bytes: Uint8Array): JsonValue {
  try {
    return readJson(bytes, COLLECTION_LIMITS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new EventLogError(`JSON with ${error.message},`, 0);
    throw error;
  }
}

function itemsOf(evidence: JsonObject): KeylimeItems {
  const items = new Map<string, { readonly mediaType: string; readonly bytes: Buffer }>();
  for (const [label, item] of Object.entries(evidence)) {
    if (!isArray(item) || items.size >= MOST_ITEMS)
      throw new EventLogError("a collection's item that is none", 0);
    const [mediaType, text] = item;
    const bytes = typeof text === "string" ? bytesOf(text) : undefined;
    if (typeof mediaType !== "string" || bytes === undefined)
      throw new EventLogError("a collection's item that is none", 0);
    items.set(label, { mediaType, bytes });
  }
  return items;
}

/** The event log among the items. */
export function eventLogOf(items: KeylimeItems): Buffer {
  for (const { mediaType, bytes } of items.values()) if (mediaType === EVENT_LOG_MEDIA_TYPE) return bytes;
  throw new EventLogError("a collection without event log", 0);
}

/** Whether JSON is a collection: records of a log have no such member. */
export function isCollection(bytes: Uint8Array): boolean {
  return asBuffer(bytes).subarray(0, 256).includes('"__cmwc_t"');
}

/** Numbers that the prototype gives to content. */
const PROTOTYPE = { content: CEL.pcclient, ima: 6, bootLog: 9 } as const;

export interface PrototypeLog {
  /** The firmware's log, which can be replayed like any other. */
  readonly bootLog: Buffer;
  /** IMA records: their digests are those of files, so no register vouches for them. */
  readonly unattestedRecords: number;
}

/** @returns undefined for logs that are not of the prototype */
export function readPrototypeLog(bytes: Uint8Array): PrototypeLog | undefined {
  const elements = new Elements(asBuffer(bytes));
  if (contentKind(elements) === undefined) return undefined;
  elements.at = 0;
  let bootLog: Buffer | undefined;
  let unattestedRecords = 0;
  while (!elements.atEnd) {
    const kind = contentKind(elements);
    if (kind?.type === PROTOTYPE.ima) unattestedRecords++;
    else if (kind?.type === PROTOTYPE.bootLog) bootLog ??= kind.value;
  }
  if (bootLog === undefined) throw new EventLogError("a log whose records nothing vouches for", 0);
  return { bootLog, unattestedRecords };
}

/** Reads one record; the prototype's is told by what stands first in its content. */
function contentKind(elements: Elements): { readonly type: number; readonly value: Buffer } | undefined {
  for (const type of [CEL.recnum, CEL.pcr, CEL.digests]) if (elements.next().type !== type) return undefined;
  const content = elements.next();
  if (content.type !== PROTOTYPE.content || content.value.length === 0) return undefined;
  const first = inside(content).next();
  return first.type === PROTOTYPE.ima || first.type === PROTOTYPE.bootLog ? first : undefined;
}
