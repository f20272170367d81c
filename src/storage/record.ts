import { createHash } from "node:crypto";

/**
 * How one value lies in one file: a line of text, then the bytes as they are.
 *
 *     keywarden-record 1 <kind> <name, percent-encoded> <bytes> <SHA-256 hex>\n
 *
 * The digest covers kind, name, length and bytes, so a file that was cut, flipped, or moved to another
 * name is noticed instead of served. It guards against accidents, not against whoever can write the folder.
 */
export interface StoredRecord {
  readonly name: string;
  readonly value: Uint8Array;
}

/** A file that is not an intact record. The message names the fault, never the content. */
export class DamagedRecord extends Error {
  constructor(what: string) {
    super(what);
    this.name = "DamagedRecord";
  }
}

/** Longest value of one record in bytes; bounds what a planted file can make us read. */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** Longest header line in bytes: a 512-character name, percent-encoded, with room to spare. */
export const MAX_HEADER_BYTES = 8192;

const HEADER = /^keywarden-record 1 ([a-z-]+) ([\w.!~*'()%-]+) (\d{1,10}) ([0-9a-f]{64})$/;
const NEWLINE = 0x0a;

/** One record as the bytes of its file: a line of header (kind, name, length, SHA-256), then the value. */
export function printRecord(kind: string, name: string, value: Uint8Array): Buffer {
  const digest = digestOf(kind, name, value);
  const header = `keywarden-record 1 ${kind} ${encodeURIComponent(name)} ${value.length} ${digest}\n`;
  return Buffer.concat([Buffer.from(header, "ascii"), value]);
}

/** @throws DamagedRecord */
export function parseRecord(kind: string, bytes: Uint8Array): StoredRecord {
  const end = bytes.subarray(0, MAX_HEADER_BYTES).indexOf(NEWLINE);
  if (end < 0) throw new DamagedRecord("it has no header line");
  const header = HEADER.exec(Buffer.from(bytes.subarray(0, end)).toString("latin1"));
  const [, foundKind, encodedName = "", length, digest] = header ?? [];
  if (header === null) throw new DamagedRecord("its header line is not one of ours");
  if (foundKind !== kind) throw new DamagedRecord(`it does not hold a ${kind}`);
  const name = decodeName(encodedName);
  const value = bytes.subarray(end + 1);
  if (value.length !== Number(length)) throw new DamagedRecord("its length is not what its header says");
  if (digestOf(kind, name, value) !== digest) throw new DamagedRecord("its checksum does not match");
  // One value, one spelling: neither `%2f` for `%2F` nor a length with leading zeros.
  if (encodedName !== encodeURIComponent(name) || length !== String(value.length))
    throw new DamagedRecord("its header line is not one of ours");
  return { name, value };
}

function decodeName(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new DamagedRecord("its header line is not one of ours");
  }
}

function digestOf(kind: string, name: string, value: Uint8Array): string {
  // Lengths are printed and NUL cannot occur in a kind, so no two triples give the same bytes.
  return createHash("sha256")
    .update(`${kind}\0${name.length}\0${name}\0${value.length}\0`)
    .update(value)
    .digest("hex");
}
