/**
 * Lines of ascii_runtime_measurements: `10 <template hash> <template> <fields…>`. Names may hold blanks and the last fields
 * may be empty, so where a line can be read in two ways the template hash decides.
 */
import { digestHex } from "../../../crypto/digest.ts";
import type { HashName } from "../eventlog/algorithms.ts";
import { EventLogError } from "../eventlog/event-log.ts";
import { digestBytes, fieldBytes, hexBytes, readDigest } from "./ascii-fields.ts";
import { fixedContent } from "./binary.ts";
import { type ImaRecord, isViolation } from "./ima-record.ts";
import {
  FIXED_DIGEST_BYTES,
  FIXED_TEMPLATE,
  type FieldName,
  type ImaFields,
  templateFields,
} from "./template.ts";

const BLANK = 0x20;
const ZERO = 0x30;
const MAX_REGISTER = 0xffffffff;

/** Where the words of a line end. */
interface Words {
  readonly register: number;
  readonly hashFrom: number;
  readonly hashTo: number;
  readonly templateTo: number;
}

/**
 * @param end - of the line, exclusive
 * @param algorithm - of the list's template hashes; undefined: take the first reading, for looking at the structure only
 * @throws EventLogError
 */
export function readAsciiRecord(
  bytes: Buffer,
  position: number,
  end: number,
  index: number,
  algorithm: HashName | undefined,
): ImaRecord {
  const { register, hashFrom, hashTo, templateTo } = wordsOf(bytes, position, end);
  const templateHash = hexBytes(bytes, hashFrom, hashTo);
  if (templateHash === undefined || templateHash.length === 0)
    throw new EventLogError("a line without template hash", position);
  const template = bytes.toString("latin1", hashTo + 1, templateTo);
  const line = { bytes, from: Math.min(templateTo + 1, end), end, position };
  const { data, fields } = readContent(template, line, templateHash, algorithm);
  const violation = isViolation(templateHash);
  return { index, position, register, templateHash, template, data, fields, violation };
}

/** Templates whose further field may be read as part of the name: such a line always has a reading. */
const ALWAYS_READABLE: readonly string[] = ["ima-ng", "ima-ngv2", "ima-sig", "ima-sigv2", "ima-buf"];
const COLON = 0x3a;

/**
 * Checks a line without making anything of it: lists are long, and every record is read later on.
 *
 * @returns bytes of the template hash
 * @throws EventLogError as `readAsciiRecord` would
 */
export function checkAsciiLine(bytes: Buffer, position: number, end: number): number {
  const { hashFrom, hashTo, templateTo } = wordsOf(bytes, position, end);
  const from = Math.min(templateTo + 1, end);
  const digestTo = wordEnd(bytes, from, end);
  const colon = lastColon(bytes, from, digestTo);
  const simple =
    hashTo > hashFrom &&
    isHex(bytes, hashFrom, hashTo) &&
    colon >= from &&
    isHex(bytes, colon + 1, digestTo) &&
    ALWAYS_READABLE.includes(bytes.toString("latin1", hashTo + 1, templateTo));
  if (simple) return (hashTo - hashFrom) / 2;
  return readAsciiRecord(bytes, position, end, 0, undefined).templateHash.length;
}

function lastColon(bytes: Buffer, from: number, to: number): number {
  let at = to - 1;
  while (at >= from && bytes[at] !== COLON) at--;
  return at;
}

/** Digits of either case, an even number of them. */
function isHex(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    const letter = byte | 0x20;
    if (!((byte >= ZERO && byte <= 0x39) || (letter >= 0x61 && letter <= 0x66))) return false;
  }
  return (to - from) % 2 === 0;
}

function wordsOf(bytes: Buffer, position: number, end: number): Words {
  // The kernel fills the register number up with a blank.
  const from = bytes[position] === BLANK ? position + 1 : position;
  const registerTo = wordEnd(bytes, from, end);
  const hashTo = wordEnd(bytes, registerTo + 1, end);
  const templateTo = wordEnd(bytes, hashTo + 1, end);
  let register = registerTo === from ? Number.NaN : 0;
  for (let at = from; at < registerTo; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    register = digit >= 0 && digit <= 9 ? register * 10 + digit : Number.NaN;
  }
  if (!(register <= MAX_REGISTER)) throw new EventLogError("a line without register number", position);
  return { register, hashFrom: Math.min(registerTo + 1, end), hashTo, templateTo };
}

/** End of the word at `from`: the next blank, or the line's end. */
function wordEnd(bytes: Buffer, from: number, end: number): number {
  let at = Math.min(from, end);
  while (at < end && bytes[at] !== BLANK) at++;
  return at;
}

/** What stands behind the template's name. */
interface Rest {
  readonly bytes: Buffer;
  readonly from: number;
  readonly end: number;
  /** Of the line, for errors. */
  readonly position: number;
}

interface Content {
  readonly data: Buffer;
  readonly fields: ImaFields;
}

function readContent(
  template: string,
  rest: Rest,
  templateHash: Buffer,
  algorithm: HashName | undefined,
): Content {
  if (template === FIXED_TEMPLATE) return readFixed(rest);
  const names = templateFields(template);
  if (names === undefined) throw new EventLogError("a template that is not known", rest.position);
  const digestTo = wordEnd(rest.bytes, rest.from, rest.end);
  const named = { ...rest, from: Math.min(digestTo + 1, rest.end) };
  const digest = readDigest(rest.bytes.toString("latin1", rest.from, digestTo));
  if (digest === undefined) throw new EventLogError("a line without file digest", rest.position);
  const readings = readingsOf(named, names.slice(2));
  let first: Content | undefined;
  for (const [i, reading] of readings.entries()) {
    const content = build(names, digest, reading);
    if (content === undefined) continue;
    if (algorithm === undefined || (i === readings.length - 1 && first === undefined)) return content;
    if (digestHex(algorithm, content.data) === templateHash.toString("hex")) return content;
    first ??= content;
  }
  if (first === undefined) throw new EventLogError("fields that do not fit the template", rest.position);
  return first;
}

function readFixed({ bytes, from, end, position }: Rest): Content {
  const digestTo = wordEnd(bytes, from, end);
  const digest = hexBytes(bytes, from, digestTo);
  if (digest?.length !== FIXED_DIGEST_BYTES) throw new EventLogError("a line without SHA-1 digest", position);
  return fixedContent(digest, bytes.subarray(Math.min(digestTo + 1, end), end), position);
}

interface Reading {
  readonly name: Buffer;
  readonly others: readonly string[];
}

/** Ways to cut what follows the digest: all further fields from the right, or none of them. */
function readingsOf({ bytes, from, end }: Rest, others: readonly FieldName[]): Reading[] {
  const whole = bytes.subarray(from, end);
  if (others.length === 0) return [{ name: whole, others: [] }];
  const without = { name: whole, others: others.map(() => "") };
  const words: string[] = [];
  let to = end;
  for (let i = 0; i < others.length; i++) {
    const blank = bytes.subarray(from, to).lastIndexOf(BLANK);
    if (blank < 0) return [without];
    words.unshift(bytes.toString("utf8", from + blank + 1, to));
    to = from + blank;
  }
  return [{ name: bytes.subarray(from, to), others: words }, without];
}

function build(
  names: readonly FieldName[],
  digest: NonNullable<ReturnType<typeof readDigest>>,
  { name, others }: Reading,
): Content | undefined {
  const values: Buffer[] = [];
  let length = 8 + digest.head.length + 1 + digest.value.length + name.length + 1;
  for (const [i, text] of others.entries()) {
    const field = names[i + 2];
    const value = field === undefined ? undefined : fieldBytes(field, text);
    if (value === undefined) return undefined;
    values.push(value);
    length += 4 + value.length;
  }
  const { algorithm, value, type } = digest;
  return {
    data: templateData(length, digestBytes(digest), name, values),
    fields: {
      digest: { algorithm, value, type },
      path: name.toString("utf8"),
      signature: fieldOf("sig", names, values),
      buffer: names.includes("buf") ? (fieldOf("buf", names, values) ?? NOTHING) : undefined,
    },
  };
}

const NOTHING = Buffer.alloc(0);

/** A field's bytes; an empty one counts as none. */
function fieldOf(
  field: FieldName,
  names: readonly FieldName[],
  values: readonly Buffer[],
): Buffer | undefined {
  const value = values[names.indexOf(field) - 2];
  return value === undefined || value.length === 0 ? undefined : value;
}

/** Every field behind its length; the name with a terminator. */
function templateData(length: number, digest: Buffer, name: Buffer, values: readonly Buffer[]): Buffer {
  const data = Buffer.allocUnsafe(length);
  let at = data.writeUInt32LE(digest.length, 0);
  at += digest.copy(data, at);
  at = data.writeUInt32LE(name.length + 1, at);
  at += name.copy(data, at);
  at = data.writeUInt8(0, at);
  for (const value of values) {
    at = data.writeUInt32LE(value.length, at);
    at += value.copy(data, at);
  }
  return data;
}
