/** Finds where CBOR items end (RFC 8949 §3) without building them: a log is read record by record. */
import { EventLogError } from "../eventlog/event-log.ts";

const ARRAY = 4;
const MAX_DEPTH = 16;
/** Items of one record: each takes a byte of the log, and a hundred once it is built. Real ones have twenty. */
const MAX_ITEMS = 1024;

interface Head {
  readonly major: number;
  /** Value, length or count; undefined for indefinite lengths, which records do not use. */
  readonly argument: number | undefined;
  readonly end: number;
}

/** Whether the log is one array, and where its first record begins; else it is a sequence. */
export function cborArrayStart(bytes: Buffer): {
  readonly start: number;
  readonly count: number | undefined;
} {
  const head = readHead(bytes, 0);
  if (head.major !== ARRAY) return { start: 0, count: undefined };
  if (head.argument === undefined) throw new EventLogError("an array of indefinite length", 0);
  return { start: head.end, count: head.argument };
}

/**
 * @returns behind the item at `from`
 * @throws EventLogError for items that do not end, are of indefinite length, too many or nested too deeply
 */
export function endOfItem(bytes: Buffer, from: number): number {
  /** Items still to come, innermost last. */
  const open = [1];
  let at = from;
  let count = 0;
  while (open.length > 0) {
    const left = open[open.length - 1] ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    open[open.length - 1] = left - 1;
    if (++count > MAX_ITEMS) throw new EventLogError(`a record of more than ${MAX_ITEMS} items`, from);
    const head = readHead(bytes, at);
    at = head.end;
    const items = itemsInside(head, bytes, at, from);
    if (head.major === 2 || head.major === 3) at += head.argument ?? 0;
    if (items > 0) open.push(items);
    if (open.length > MAX_DEPTH) throw new EventLogError("CBOR nested too deeply", from);
  }
  return at;
}

function itemsInside({ major, argument }: Head, bytes: Buffer, at: number, from: number): number {
  if (argument === undefined) throw new EventLogError("CBOR of indefinite length", from);
  if (major < 2 || major === 7) return 0;
  if (major === 6) return 1;
  const size = major === 5 ? 2 * argument : argument;
  // Every byte of a string and every item takes a byte at least.
  if (size > bytes.length - at) throw new EventLogError("CBOR that does not end", from);
  return major === 2 || major === 3 ? 0 : size;
}

function readHead(bytes: Buffer, at: number): Head {
  const first = bytes[at];
  if (first === undefined) throw new EventLogError("CBOR that does not end", at);
  const [major, info] = [first >> 5, first & 0x1f];
  if (info < 24) return { major, argument: info, end: at + 1 };
  if (info === 31) return { major, argument: undefined, end: at + 1 };
  const width = 1 << (info - 24);
  if (info > 27 || width > bytes.length - at - 1) throw new EventLogError("malformed CBOR", at);
  const argument = width === 8 ? Number(bytes.readBigUInt64BE(at + 1)) : bytes.readUIntBE(at + 1, width);
  return { major, argument, end: at + 1 + width };
}
