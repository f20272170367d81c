/** IMA measurement lists, ASCII and binary: structure first; a record is read when it is asked for. */
import { asBuffer } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import type { HashName } from "../eventlog/algorithms.ts";
import {
  checkLength,
  EventLogError,
  type LogLimits,
  MOST_EVENTS,
  MOST_LOG_BYTES,
  Offsets,
} from "../eventlog/event-log.ts";
import { checkAsciiLine, readAsciiRecord } from "./ascii.ts";
import { readBinaryRecord } from "./binary.ts";
import type { ImaRecord } from "./ima-record.ts";

export type ImaFormat = "ima-ascii" | "ima-binary";

/** Algorithm of the template hashes in a list, by their size. */
const LIST_ALGORITHMS: ReadonlyMap<number, HashName> = new Map<number, HashName>([
  [20, "sha1"],
  [32, "sha256"],
  [48, "sha384"],
  [64, "sha512"],
]);

export class ImaLog implements Iterable<ImaRecord> {
  readonly format: ImaFormat;
  /** Algorithm of the template hashes that the list shows. */
  readonly algorithm: HashName;
  readonly #offsets: Uint32Array;
  readonly #read: (position: number, index: number) => ImaRecord;

  constructor(
    format: ImaFormat,
    algorithm: HashName,
    offsets: Uint32Array,
    read: (position: number, index: number) => ImaRecord,
  ) {
    this.format = format;
    this.algorithm = algorithm;
    this.#offsets = offsets;
    this.#read = read;
  }

  get count(): number {
    return this.#offsets.length;
  }

  record(index: number): ImaRecord {
    const position = this.#offsets[index];
    if (position === undefined) throw new RangeError(`the list has no record ${index}`);
    return this.#read(position, index);
  }

  *[Symbol.iterator](): Iterator<ImaRecord> {
    for (let index = 0; index < this.count; index++) yield this.record(index);
  }
}

/** Lists of the kernel have many more records than boot logs; what holds them back is the sender's body limit. */
const IMA_LIMITS = { maxBytes: MOST_LOG_BYTES, maxEvents: MOST_EVENTS };

/**
 * Reads a list of either form.
 *
 * @throws EventLogError
 */
export function parseImaLog(bytes: Uint8Array, limits: LogLimits = {}): ImaLog {
  const bounds = { ...IMA_LIMITS, ...limits };
  checkLength(bytes, bounds);
  const all = asBuffer(bytes);
  return isAscii(all) ? parseAscii(all, bounds) : parseBinary(all, bounds);
}

/** Registers are small numbers: in the binary form the first byte is no printable character. */
function isAscii(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  return first === 0x20 || (first >= 0x30 && first <= 0x39);
}

const LINE_FEED = 0x0a;

function parseAscii(bytes: Buffer, limits: LogLimits): ImaLog {
  const offsets = new Offsets(limits);
  let hashBytes: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const end = lineEnd(bytes, at);
    offsets.add(at);
    const size = checkAsciiLine(bytes, at, end);
    hashBytes ??= size;
    if (size !== hashBytes) throw new EventLogError("template hashes of two sizes", at);
    at = end + 1;
  }
  const algorithm = listAlgorithm(hashBytes ?? 0);
  const read = (position: number, index: number) =>
    readAsciiRecord(bytes, position, lineEnd(bytes, position), index, algorithm);
  return new ImaLog("ima-ascii", algorithm, offsets.done(), read);
}

function lineEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(LINE_FEED, from);
  return end < 0 ? bytes.length : end;
}

function listAlgorithm(size: number): HashName {
  const algorithm = LIST_ALGORITHMS.get(size);
  if (algorithm === undefined) throw new EventLogError(`template hashes of ${size} bytes`, 0);
  return algorithm;
}

/**
 * The size of template hashes is known from the file's name only, which nobody sends: that size counts with which the
 * whole list can be read and its first hash is right, or if there is none, the first with which it can be read.
 */
function parseBinary(bytes: Buffer, limits: LogLimits): ImaLog {
  let first: ImaLog | EventLogError | undefined;
  for (const [size, algorithm] of LIST_ALGORITHMS) {
    const log = tryBinary(bytes, size, algorithm, limits);
    if (log instanceof ImaLog && hashesAgree(log)) return log;
    if (first === undefined || (log instanceof ImaLog && !(first instanceof ImaLog))) first = log;
  }
  if (first instanceof ImaLog) return first;
  throw first ?? new EventLogError("an empty list", 0);
}

function tryBinary(
  bytes: Buffer,
  size: number,
  algorithm: HashName,
  limits: LogLimits,
): ImaLog | EventLogError {
  try {
    const offsets = new Offsets(limits);
    for (let at = 0; at < bytes.length; ) {
      offsets.add(at);
      at = readBinaryRecord(bytes, at, size, offsets.count - 1).next;
    }
    const read = (position: number, index: number) => readBinaryRecord(bytes, position, size, index).record;
    return new ImaLog("ima-binary", algorithm, offsets.done(), read);
  } catch (error) {
    if (error instanceof EventLogError) return error;
    throw error;
  }
}

function hashesAgree(log: ImaLog): boolean {
  for (const record of log) if (!record.violation) return templateHashHolds(record, log.algorithm);
  return true;
}

/** Whether the list's hash is that of the record's data; a violation has none. */
export function templateHashHolds(record: ImaRecord, algorithm: HashName): boolean {
  return record.violation || digestHex(algorithm, record.data) === record.templateHash.toString("hex");
}
