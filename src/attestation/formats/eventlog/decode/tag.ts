/** EV_EVENT_TAG: an identifier, a length and bytes (TCG PC Client Platform Firmware Profile §10.4.2). */
import { JsonSyntaxError, readJson } from "../../../../json/read.ts";
import type { JsonValue } from "../../../../json/value.ts";

export interface Tag {
  readonly id: number;
  readonly data: Buffer;
}

/** Identifier of the attestation agent's events in Confidential Containers guests. */
export const AAEL_TAG = 0x4141454c;
export const INITRD_TAG = 0x8f3b22ec;
export const LOAD_OPTIONS_TAG = 0x8f3b22ed;

const HEADER_BYTES = 8;

/** @returns undefined where the length does not fit the data */
export function readTag(bytes: Buffer): Tag | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const length = bytes.readUInt32LE(4);
  if (length > bytes.length - HEADER_BYTES) return undefined;
  return { id: bytes.readUInt32LE(0), data: bytes.subarray(HEADER_BYTES, HEADER_BYTES + length) };
}

/** Whether the event claims to be the attestation agent's, well formed or not. */
export function isAael(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32LE(0) === AAEL_TAG;
}

/** One event of the attestation agent: `<domain> <operation> <content>`. */
export interface AgentEvent {
  readonly domain: string;
  readonly operation: string;
  /** JSON where the content is JSON, else its text. */
  readonly content: JsonValue;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Content as JSON in claims; longer or deeper content stays text. */
const MAX_CONTENT_DEPTH = 32;
const MAX_CONTENT_PARTS = 10_000;

/** @returns undefined for text that is no such entry: no two blanks, a line feed, bytes that are no UTF-8 */
export function readAgentEvent(bytes: Buffer): AgentEvent | undefined {
  const tag = readTag(bytes);
  if (tag === undefined || tag.id !== AAEL_TAG || tag.data.length !== bytes.length - HEADER_BYTES)
    return undefined;
  let text: string;
  try {
    text = UTF8.decode(tag.data);
  } catch {
    return undefined;
  }
  const parts = /^(\S+) (\S+) ([^\n]*)$/.exec(text);
  if (parts === null) return undefined;
  const [, domain = "", operation = "", content = ""] = parts;
  return { domain, operation, content: jsonOrText(content) };
}

function jsonOrText(text: string): JsonValue {
  try {
    return readJson(text, { maxDepth: MAX_CONTENT_DEPTH, maxParts: MAX_CONTENT_PARTS });
  } catch (error) {
    if (error instanceof JsonSyntaxError) return text;
    throw error;
  }
}
