/**
 * The JSON encoding (Canonical Event Log Format §5.2): an array, one object per line, or a text sequence (RFC 7464) as
 * systemd writes its /run/log/systemd/tpm2-measure.log.
 */
import { asBuffer } from "../../../crypto/bytes.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { hashById, hashByName } from "../eventlog/algorithms.ts";
import {
  checkLength,
  type EventLog,
  EventLogError,
  type LoggedDigest,
  type LogLimits,
  type RegisterKind,
} from "../eventlog/event-log.ts";
import { eventTypeNumber } from "../eventlog/event-types.ts";
import { bytesOf, digestOf } from "./json-bytes.ts";
import { endOfValue, isBlank, skipBlanks } from "./json-values.ts";
import {
  addDigest,
  CEL,
  type CelContent,
  type CelRecord,
  celLog,
  imaContent,
  MANAGEMENT,
  managementContent,
  managementType,
  opaqueContent,
  pcclientContent,
  systemdContent,
  transitionNumber,
} from "./record.ts";

const OBJECT = 0x7b;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const COMMA = 0x2c;
const RECORD_LIMITS = { maxDepth: 8, maxParts: 256 };

/** @throws EventLogError */
export function parseCelJson(bytes: Uint8Array, limits: LogLimits = {}): EventLog {
  checkLength(bytes, limits);
  const all = asBuffer(bytes);
  const first = skipBlanks(all, 0);
  const inArray = all[first] === ARRAY;
  const start = inArray ? skipBlanks(all, first + 1) : first;
  const end = inArray ? endOfArray(all) : all.length;
  const read = (position: number) => {
    const stop = endOfRecord(all, position);
    const next = inArray ? nextInArray(all, stop, end) : skipBlanks(all, stop);
    return { record: readRecord(all, position, stop), next };
  };
  return celLog({ format: "cel-json", read, start, end }, limits);
}

/** Place of the closing bracket, with nothing but blanks behind it. */
function endOfArray(bytes: Buffer): number {
  let at = bytes.length - 1;
  while (at > 0 && isBlank(bytes[at])) at--;
  if (bytes[at] !== ARRAY_END) throw new EventLogError("an array that does not end", at);
  return at;
}

function endOfRecord(bytes: Buffer, position: number): number {
  if (bytes[position] !== OBJECT) throw new EventLogError("a JSON object was expected", position);
  return endOfValue(bytes, position);
}

function nextInArray(bytes: Buffer, from: number, end: number): number {
  const at = skipBlanks(bytes, from);
  if (at >= end) return end;
  if (bytes[at] !== COMMA) throw new EventLogError("',' or ']' was expected", at);
  const next = skipBlanks(bytes, at + 1);
  if (next >= end) throw new EventLogError("a record was expected", next);
  return next;
}

function readRecord(bytes: Buffer, from: number, to: number): CelRecord {
  try {
    const json = readJson(bytes.subarray(from, to), RECORD_LIMITS);
    if (isObject(json)) return recordOf(json, from);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new EventLogError(`a record with ${error.message},`, from);
    throw error;
  }
  throw new EventLogError("a record that is no object", from);
}

function recordOf(json: JsonObject, position: number): CelRecord {
  const fault = (what: string) => new EventLogError(what, position);
  const recnum = member(json, "recnum");
  const number = recnum === undefined ? undefined : unsigned(recnum);
  if (recnum !== undefined && number === undefined) throw fault("a record number that is none");
  const [registerKind, register] = registerOf(json);
  if (register === undefined) throw fault("a record without register");
  const digests = digestsOf(member(json, "digests"), position);
  const content = contentOf(member(json, "content_type"), member(json, "content"));
  if (content === undefined) throw fault("content that does not fit its type");
  return { number, registerKind, register, digests, content };
}

function unsigned(value: JsonValue | undefined): bigint | undefined {
  if (typeof value === "bigint") return value >= 0n ? value : undefined;
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
}

const REGISTER_MEMBERS: readonly (readonly [member: string, kind: RegisterKind])[] = [
  ["pcr", "pcr"],
  ["nv_index", "nv"],
  ["ccmr", "cc"],
];

/** Exactly one of the members names the register. */
function registerOf(json: JsonObject): readonly [RegisterKind, number | undefined] {
  const named = REGISTER_MEMBERS.filter(([name]) => Object.hasOwn(json, name));
  const [only] = named;
  if (only === undefined || named.length !== 1) return ["pcr", undefined];
  const number = unsigned(member(json, only[0]));
  return [only[1], number !== undefined && number <= 0xffffffffn ? Number(number) : undefined];
}

function digestsOf(json: JsonValue | undefined, position: number): LoggedDigest[] {
  if (!isArray(json)) throw new EventLogError("a record without digests", position);
  const digests: LoggedDigest[] = [];
  for (const entry of json) {
    const name = isObject(entry) ? member(entry, "hashAlg") : undefined;
    const text = isObject(entry) ? member(entry, "digest") : undefined;
    if (typeof text !== "string") throw new EventLogError("a digest that is no text", position);
    const algorithm = typeof name === "string" ? hashByName(name) : hashById(Number(name));
    if (algorithm === undefined) continue;
    const value = digestOf(text, algorithm.size);
    if (value === undefined) throw new EventLogError(`a ${algorithm.name} digest that is none`, position);
    addDigest(digests, { algorithm: algorithm.name, value }, position);
  }
  return digests;
}

type ContentReader = (content: JsonObject) => CelContent | undefined;

const CONTENT_READERS: ReadonlyMap<JsonValue, ContentReader> = new Map<JsonValue, ContentReader>([
  ["cel", management],
  [CEL.management, management],
  ["pcclient_std", pcclient],
  [CEL.pcclient, pcclient],
  ["ima_template", imaTemplate],
  [CEL.imaTemplate, imaTemplate],
  ["systemd", systemd],
]);

function contentOf(type: JsonValue | undefined, content: JsonValue | undefined): CelContent | undefined {
  if (type === undefined || !isObject(content)) return undefined;
  const reader = CONTENT_READERS.get(type);
  if (reader !== undefined) return reader(content);
  const number = typeof type === "number" ? type : type === "ima_tlv" ? CEL.imaTlv : 0xff;
  return opaqueContent(number, Buffer.alloc(0));
}

function pcclient(content: JsonObject): CelContent | undefined {
  const [name, text] = [member(content, "event_type"), member(content, "event_data")];
  const type = typeof name === "string" ? eventTypeNumber(name) : unsignedU32(name);
  const data = typeof text === "string" ? bytesOf(text) : undefined;
  return type === undefined || data === undefined ? undefined : pcclientContent(type, data);
}

function unsignedU32(value: JsonValue | undefined): number | undefined {
  const number = unsigned(value);
  return number !== undefined && number <= 0xffffffffn ? Number(number) : undefined;
}

function imaTemplate(content: JsonObject): CelContent | undefined {
  const [name, text] = [member(content, "template_name"), member(content, "template_data")];
  const data = typeof text === "string" ? bytesOf(text) : undefined;
  return typeof name !== "string" || data === undefined ? undefined : imaContent(name, data);
}

function systemd(content: JsonObject): CelContent | undefined {
  const [text, type] = [member(content, "string"), member(content, "eventType")];
  // Secrets are measured without a string; then the digest is all there is.
  if (text !== undefined && typeof text !== "string") return undefined;
  return systemdContent(text ?? "", typeof type === "string" ? type : "event");
}

const NO_BYTES = Buffer.alloc(0);

function management(content: JsonObject): CelContent | undefined {
  const name = member(content, "type");
  const type = typeof name === "string" ? managementType(name) : unsignedU32(name);
  const data = member(content, "data");
  if (type === undefined) return undefined;
  if (type === MANAGEMENT.firmwareEnd) return managementContent(type, undefined, NO_BYTES);
  if (type === MANAGEMENT.version) return version(type, data);
  const number = typeof data === "string" ? transitionNumber(data) : unsigned(data);
  return number === undefined ? undefined : managementContent(type, number, NO_BYTES);
}

function version(type: number, data: JsonValue | undefined): CelContent | undefined {
  if (!isObject(data)) return undefined;
  const [major, minor] = [unsigned(member(data, "major")), unsigned(member(data, "minor"))];
  if (major === undefined || minor === undefined) return undefined;
  return managementContent(type, `${major}.${minor}`, NO_BYTES);
}
