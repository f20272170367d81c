/**
 * Lines of ascii_runtime_measurements: `10 <template hash> <template> <fields…>`. Names may hold blanks and the last fields
 * may be empty, so where a line can be read in two ways the template hash decides.
 */
import { fromHex } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import type { HashName } from "../eventlog/algorithms.ts";
import { EventLogError } from "../eventlog/event-log.ts";
import { fixedContent } from "./binary.ts";
import { type ImaRecord, isViolation } from "./ima-record.ts";
import { FIXED_TEMPLATE, type FieldName, type ImaFields, templateFields } from "./template.ts";

const BLANK = 0x20;
const MAX_REGISTER = 0xffffffff;

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
  // The kernel fills the register number up with a blank.
  const from = bytes[position] === BLANK ? position + 1 : position;
  const registerEnd = wordEnd(bytes, from, end);
  const hashEnd = wordEnd(bytes, registerEnd + 1, end);
  const templateEnd = wordEnd(bytes, hashEnd + 1, end);
  const register = Number(bytes.toString("latin1", from, registerEnd));
  const templateHash = fromHex(bytes.toString("latin1", registerEnd + 1, hashEnd));
  if (registerEnd === from || !Number.isInteger(register) || register > MAX_REGISTER || register < 0)
    throw new EventLogError("a line without register number", position);
  if (templateHash === undefined || templateHash.length === 0)
    throw new EventLogError("a line without template hash", position);
  const template = bytes.toString("latin1", hashEnd + 1, templateEnd);
  const rest = bytes.toString("utf8", Math.min(templateEnd + 1, end), end);
  const { data, fields } = readContent(template, rest, position, templateHash, algorithm);
  const violation = isViolation(templateHash);
  return { index, position, register, templateHash, template, data, fields, violation };
}

/** End of the word at `from`: the next blank, or the line's end. */
function wordEnd(bytes: Buffer, from: number, end: number): number {
  const at = bytes.indexOf(BLANK, from);
  return at < 0 || at > end ? end : at;
}

interface Content {
  readonly data: Buffer;
  readonly fields: ImaFields;
}

function readContent(
  template: string,
  rest: string,
  position: number,
  templateHash: Buffer,
  algorithm: HashName | undefined,
): Content {
  if (template === FIXED_TEMPLATE) return readFixed(rest, position);
  const names = templateFields(template);
  if (names === undefined) throw new EventLogError("a template that is not known", position);
  const readings = readingsOf(rest, names.slice(2));
  let first: Content | undefined;
  for (const [i, reading] of readings.entries()) {
    const content = build(names, reading, position);
    if (content === undefined) continue;
    if (algorithm === undefined || (i === readings.length - 1 && first === undefined)) return content;
    if (digestHex(algorithm, content.data) === templateHash.toString("hex")) return content;
    first ??= content;
  }
  if (first === undefined) throw new EventLogError("fields that do not fit the template", position);
  return first;
}

function readFixed(rest: string, position: number): Content {
  const blank = rest.indexOf(" ");
  const digest = blank < 0 ? undefined : fromHex(rest.slice(0, blank));
  if (digest?.length !== 20) throw new EventLogError("a line without SHA-1 digest", position);
  return fixedContent(digest, Buffer.from(rest.slice(blank + 1)), position);
}

interface Reading {
  readonly digest: string;
  readonly name: string;
  readonly others: readonly string[];
}

/** Ways to cut the line: all further fields from the right, or none of them. */
function readingsOf(rest: string, others: readonly FieldName[]): Reading[] {
  const blank = rest.indexOf(" ");
  const [digest, after] = blank < 0 ? [rest, ""] : [rest.slice(0, blank), rest.slice(blank + 1)];
  if (others.length === 0) return [{ digest, name: after, others: [] }];
  const words = after.split(" ");
  const cut = words.length - others.length;
  const empty = others.map(() => "");
  const withAll = { digest, name: words.slice(0, cut).join(" "), others: words.slice(cut) };
  const without = { digest, name: after, others: empty };
  return cut < 1 ? [without] : [withAll, without];
}

function build(names: readonly FieldName[], reading: Reading, position: number): Content | undefined {
  const digest = digestField(reading.digest);
  if (digest === undefined) throw new EventLogError("a line without file digest", position);
  const name = Buffer.from(reading.name);
  const parts = [lengthOf(digest.bytes.length), digest.bytes, lengthOf(name.length + 1), name, NUL];
  let signature: Buffer | undefined;
  let buffer: Buffer | undefined;
  for (const [i, text] of reading.others.entries()) {
    const field = names[i + 2];
    const value = field === undefined ? undefined : fieldBytes(field, text);
    if (value === undefined) return undefined;
    parts.push(lengthOf(value.length), value);
    if (field === "sig" && value.length > 0) signature = value;
    if (field === "buf") buffer = value;
  }
  const { algorithm, value, type } = digest;
  return {
    data: Buffer.concat(parts),
    fields: { digest: { algorithm, value, type }, path: reading.name, signature, buffer },
  };
}

const NUL = Buffer.alloc(1);

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
}

/** `sha256:<hex>` or `ima:sha256:<hex>`, and the bytes that stand for it in template data. */
function digestField(text: string) {
  const colon = text.lastIndexOf(":");
  const value = colon < 0 ? undefined : fromHex(text.slice(colon + 1));
  if (value === undefined) return undefined;
  const head = text.slice(0, colon + 1);
  const [first = "", second] = head.slice(0, -1).split(":");
  const bytes = Buffer.concat([Buffer.from(head, "latin1"), NUL, value]);
  return second === undefined
    ? { algorithm: first, value, type: undefined, bytes }
    : { algorithm: second, value, type: first, bytes };
}

/** A field as the kernel prints it, back in bytes; undefined for text that is none. */
function fieldBytes(field: FieldName, text: string): Buffer | undefined {
  switch (field) {
    case "d-modsig":
      return text === "" ? Buffer.alloc(0) : digestField(text)?.bytes;
    case "xattrnames":
      return Buffer.from(`${text}\0`);
    case "iuid":
    case "igid":
      return unsigned(text, 4);
    case "imode":
      return unsigned(text, 2);
    default:
      return fromHex(text);
  }
}

function unsigned(text: string, width: number): Buffer | undefined {
  if (!/^\d{1,10}$/.test(text) || Number(text) >= 2 ** (8 * width)) return undefined;
  const bytes = Buffer.alloc(width);
  bytes.writeUIntLE(Number(text), 0, width);
  return bytes;
}
