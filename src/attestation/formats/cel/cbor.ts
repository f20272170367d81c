/**
 * The CBOR encoding (Canonical Event Log Format §5.3), in our reading of it: an array or a sequence of maps whose keys are the
 * numbers of the binary encoding. No other implementation was there to compare with.
 */
import { asBuffer } from "../../../crypto/bytes.ts";
import {
  CborError,
  type CborMap,
  type CborValue,
  decodeCbor,
  isCborArray,
  isCborBytes,
  isCborMap,
} from "../../../crypto/cbor.ts";
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
import { cborArrayStart, endOfItem } from "./cbor-items.ts";
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
  transitionNumber,
} from "./record.ts";

/** @throws EventLogError */
export function parseCelCbor(bytes: Uint8Array, limits: LogLimits = {}): EventLog {
  checkLength(bytes, limits);
  const all = asBuffer(bytes);
  const { start, count } = cborArrayStart(all);
  const read = (position: number) => {
    const next = endOfItem(all, position);
    return { record: readRecord(all, position, next), next };
  };
  const log = celLog({ format: "cel-cbor", read, start, end: all.length }, limits);
  if (count !== undefined && count !== log.count)
    throw new EventLogError(`an array of ${count} records with ${log.count}`, 0);
  return log;
}

function readRecord(bytes: Buffer, from: number, to: number): CelRecord {
  try {
    const item = decodeCbor(bytes.subarray(from, to), { maxBytes: to - from, maxDepth: 8, maxMaps: 64 });
    if (isCborMap(item)) return recordOf(item, from);
  } catch (error) {
    if (error instanceof CborError) throw new EventLogError(`a record with ${error.message},`, from);
    throw error;
  }
  throw new EventLogError("a record that is no map", from);
}

/** A member by its number or, as some write, its name. */
function part(map: CborMap, number: number, name: string): CborValue | undefined {
  return map.get(number) ?? map.get(name);
}

const REGISTERS: readonly (readonly [number: number, name: string, kind: RegisterKind])[] = [
  [CEL.pcr, "pcr", "pcr"],
  [CEL.nvIndex, "nv_index", "nv"],
  [CEL.ccRegister, "ccmr", "cc"],
];

function recordOf(map: CborMap, position: number): CelRecord {
  const number = unsigned(part(map, CEL.recnum, "recnum"));
  if (number === undefined) throw new EventLogError("a record without number", position);
  const named = REGISTERS.filter(([key, name]) => map.has(key) || map.has(name));
  const [only] = named;
  const register = only === undefined ? undefined : unsigned(part(map, only[0], only[1]));
  if (only === undefined || named.length !== 1 || register === undefined || register > 0xffffffffn)
    throw new EventLogError("a record without register", position);
  const content = contentOf(map);
  if (content === undefined) throw new EventLogError("content that does not fit its type", position);
  const digests = digestsOf(part(map, CEL.digests, "digests"), position);
  return { number, registerKind: only[2], register: Number(register), digests, content };
}

function unsigned(value: CborValue | undefined): bigint | undefined {
  if (typeof value === "bigint") return value >= 0n ? value : undefined;
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
}

function digestsOf(value: CborValue | undefined, position: number): LoggedDigest[] {
  const pairs = isCborMap(value) ? [...value] : isCborArray(value) ? value.map(pairOf) : undefined;
  if (pairs === undefined) throw new EventLogError("a record without digests", position);
  const digests: LoggedDigest[] = [];
  for (const [id, bytes] of pairs) {
    const algorithm = typeof id === "string" ? hashByName(id) : hashById(Number(id));
    if (!isCborBytes(bytes)) throw new EventLogError("a digest that is no byte string", position);
    if (algorithm === undefined) continue;
    if (bytes.length !== algorithm.size)
      throw new EventLogError(`a ${algorithm.name} digest of ${bytes.length} bytes`, position);
    addDigest(digests, { algorithm: algorithm.name, value: asBuffer(bytes) }, position);
  }
  return digests;
}

function pairOf(entry: CborValue): readonly [CborValue | undefined, CborValue | undefined] {
  return isCborMap(entry) ? [part(entry, 0, "hashAlg"), part(entry, 1, "digest")] : [undefined, undefined];
}

const CONTENT_NAMES: Readonly<Record<string, number>> = {
  cel: CEL.management,
  pcclient_std: CEL.pcclient,
  ima_template: CEL.imaTemplate,
  ima_tlv: CEL.imaTlv,
  systemd: CEL.systemd,
};

const NOT_CONTENT: ReadonlySet<number> = new Set([
  CEL.recnum,
  CEL.pcr,
  CEL.nvIndex,
  CEL.digests,
  CEL.ccRegister,
]);

/** The one member that is content, by its number or named by `content_type`. */
function contentOf(map: CborMap): CelContent | undefined {
  const named = map.get("content_type");
  if (named !== undefined) {
    const type = typeof named === "string" ? CONTENT_NAMES[named] : Number(unsigned(named));
    return type === undefined ? undefined : readContent(type, map.get("content"));
  }
  const types = [...map.keys()].filter((key) => typeof key === "number" && !NOT_CONTENT.has(key));
  const [type] = types;
  return typeof type === "number" && types.length === 1 ? readContent(type, map.get(type)) : undefined;
}

function readContent(type: number, value: CborValue | undefined): CelContent | undefined {
  if (!isCborMap(value)) return undefined;
  if (type === CEL.management) return management(value);
  if (type !== CEL.pcclient && type !== CEL.imaTemplate) return opaqueContent(type, Buffer.alloc(0));
  return type === CEL.pcclient ? pcclient(value) : imaTemplate(value);
}

function pcclient(value: CborMap): CelContent | undefined {
  const [said, data] = [part(value, 0, "event_type"), part(value, 1, "event_data")];
  const type = typeof said === "string" ? eventTypeNumber(said) : Number(unsigned(said) ?? -1);
  if (type === undefined || type < 0 || type > 0xffffffff || !isCborBytes(data)) return undefined;
  return pcclientContent(type, asBuffer(data));
}

function imaTemplate(value: CborMap): CelContent | undefined {
  const [said, data] = [part(value, 0, "template_name"), part(value, 1, "template_data")];
  const name = isCborBytes(said) ? asBuffer(said).toString("utf8") : said;
  return typeof name === "string" && isCborBytes(data) ? imaContent(name, asBuffer(data)) : undefined;
}

const NO_BYTES = Buffer.alloc(0);

function management(value: CborMap): CelContent | undefined {
  const [entry] = value;
  if (entry === undefined || value.size !== 1) return undefined;
  const [key, data] = entry;
  const type = typeof key === "string" ? managementType(key) : Number(key);
  if (type === undefined) return undefined;
  if (type === MANAGEMENT.firmwareEnd) return managementContent(type, undefined, NO_BYTES);
  if (type !== MANAGEMENT.version) {
    const number = typeof data === "string" ? transitionNumber(data) : unsigned(data);
    return number === undefined ? undefined : managementContent(type, number, NO_BYTES);
  }
  if (!isCborMap(data)) return undefined;
  const [major, minor] = [unsigned(part(data, 0, "major")), unsigned(part(data, 1, "minor"))];
  if (major === undefined || minor === undefined) return undefined;
  return managementContent(type, `${major}.${minor}`, NO_BYTES);
}
