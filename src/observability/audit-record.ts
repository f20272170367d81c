import { createHash } from "node:crypto";
import { readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member, writeJson } from "../json/write.ts";
import { escapeActiveCharacters } from "./printable.ts";

/** What happened, in the caller's words; must hold no secret, token, nonce or evidence. */
export type AuditEvent = JsonObject & { readonly event: string };

/** `previous` of the first record of a chain. */
export const GENESIS = "0".repeat(64);

/** Where a chain stands: the digest of its last line and that line's number. */
export interface ChainHead {
  readonly sequence: number;
  readonly digest: string;
}

export const CHAIN_START: ChainHead = { sequence: 0, digest: GENESIS };

/**
 * One line of the audit log. `previous` is the SHA-256 of the line before, without its line feed, so no line can
 * be changed, dropped or inserted without breaking every line after it.
 */
export function auditLine(head: ChainHead, at: number, event: AuditEvent): { line: string; head: ChainHead } {
  const sequence = head.sequence + 1;
  const line = escapeActiveCharacters(
    writeJson({ sequence, at: new Date(at).toISOString(), previous: head.digest, record: event }),
  );
  return { line, head: { sequence, digest: lineDigest(line) } };
}

/** @returns the record, or a sentence saying why the line is none */
export function readAuditLine(
  line: string,
): { sequence: number; previous: string; record: JsonObject } | string {
  const value = parsed(line);
  if (!isObject(value)) return "the line is not a JSON object";
  const [sequence, previous, record] = ["sequence", "previous", "record"].map((name) => member(value, name));
  if (typeof sequence !== "number" || !Number.isSafeInteger(sequence) || sequence < 1)
    return "the line has no sequence number";
  if (typeof previous !== "string" || !/^[0-9a-f]{64}$/.test(previous))
    return "the line names no predecessor";
  if (!isObject(record)) return "the line has no record";
  return { sequence, previous, record };
}

/** @returns where the chain stands after `line`, or a sentence saying why it does not belong after `head` */
export function nextHead(head: ChainHead, line: string): ChainHead | string {
  const record = readAuditLine(line);
  if (typeof record === "string") return record;
  if (record.sequence !== head.sequence + 1)
    return `record ${record.sequence} stands where record ${head.sequence + 1} belongs`;
  if (record.previous !== head.digest)
    return "the record before this one is not the one it was written after";
  return { sequence: record.sequence, digest: lineDigest(line) };
}

export function lineDigest(line: string): string {
  return createHash("sha256").update(line, "utf8").digest("hex");
}

function parsed(line: string): JsonValue | undefined {
  try {
    return readJson(line);
  } catch {
    return undefined;
  }
}
