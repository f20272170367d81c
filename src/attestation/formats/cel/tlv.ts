/** The binary encoding: type in one byte, length in four, value; all big-endian (Canonical Event Log Format §5.1). */
import { asBuffer } from "../../../crypto/bytes.ts";
import { hashById } from "../eventlog/algorithms.ts";
import {
  checkLength,
  type EventLog,
  EventLogError,
  type LoggedDigest,
  type LogLimits,
} from "../eventlog/event-log.ts";
import {
  addDigest,
  CEL,
  type CelContent,
  type CelRecord,
  celLog,
  cosContent,
  imaContent,
  MANAGEMENT,
  managementContent,
  opaqueContent,
  pcclientContent,
  REGISTER_KINDS,
} from "./record.ts";

const HEADER_BYTES = 5;

/** One element; `value` is a view. */
export interface Element {
  readonly type: number;
  readonly value: Buffer;
  readonly whole: Buffer;
  readonly position: number;
}

/** Elements one after the other, each checked against the end of what it stands in. */
export class Elements {
  readonly #bytes: Buffer;
  readonly #end: number;
  /** Where `bytes` begins in the log, so that errors name a place in the log. */
  readonly #base: number;
  at: number;

  constructor(bytes: Buffer, at = 0, base = 0) {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#base = base;
    this.at = at;
  }

  get atEnd(): boolean {
    return this.at >= this.#end;
  }

  next(): Element {
    const { at } = this;
    if (this.#end - at < HEADER_BYTES) throw this.fault("a truncated element");
    const length = this.#bytes.readUInt32BE(at + 1);
    if (length > this.#end - at - HEADER_BYTES)
      throw this.fault(`an element of ${length} bytes where ${this.#end - at - HEADER_BYTES} are left,`);
    const end = at + HEADER_BYTES + length;
    this.at = end;
    return {
      type: this.#bytes.readUInt8(at),
      value: this.#bytes.subarray(at + HEADER_BYTES, end),
      whole: this.#bytes.subarray(at, end),
      position: this.#base + at,
    };
  }

  fault(what: string): EventLogError {
    return new EventLogError(what, this.#base + this.at);
  }
}

/** Elements inside an element. */
export function inside(element: Element): Elements {
  return new Elements(element.value, 0, element.position + HEADER_BYTES);
}

/**
 * @throws EventLogError
 */
export function parseCelTlv(bytes: Uint8Array, limits: LogLimits = {}): EventLog {
  checkLength(bytes, limits);
  const all = asBuffer(bytes);
  const read = (position: number) => {
    const elements = new Elements(all, position);
    return { record: readRecord(elements), next: elements.at };
  };
  return celLog({ format: "cel-tlv", read, start: 0, end: all.length }, limits);
}

function readRecord(elements: Elements): CelRecord {
  const number = elements.next();
  if (number.type !== CEL.recnum) throw wrongType(number, "a record number");
  const register = elements.next();
  const registerKind = REGISTER_KINDS.get(register.type);
  if (registerKind === undefined) throw wrongType(register, "a register");
  const digests = elements.next();
  if (digests.type !== CEL.digests) throw wrongType(digests, "digests");
  return {
    number: unsigned(number, 8),
    registerKind,
    register: Number(unsigned(register, 4)),
    digests: readDigests(digests),
    content: readContent(elements.next()),
  };
}

function wrongType(element: Element, wanted: string): EventLogError {
  return new EventLogError(
    `${wanted} was expected, not an element of type ${element.type},`,
    element.position,
  );
}

/** Big-endian, of one byte up to `most`. */
function unsigned({ value, position }: Element, most: number): bigint {
  if (value.length === 0 || value.length > most)
    throw new EventLogError(`a number of ${value.length} bytes`, position);
  return BigInt(`0x${value.toString("hex")}`);
}

function readDigests(element: Element): LoggedDigest[] {
  const digests: LoggedDigest[] = [];
  const elements = inside(element);
  while (!elements.atEnd) {
    const { type, value, position } = elements.next();
    const algorithm = hashById(type);
    if (algorithm === undefined) continue;
    if (value.length !== algorithm.size)
      throw new EventLogError(`a ${algorithm.name} digest of ${value.length} bytes`, position);
    addDigest(digests, { algorithm: algorithm.name, value }, position);
  }
  return digests;
}

function readContent(element: Element): CelContent {
  switch (element.type) {
    case CEL.pcclient:
      return readPair(element, (type, data) => pcclientContent(Number(unsigned(type, 4)), data.value));
    case CEL.imaTemplate:
      return readPair(element, (name, data) => imaContent(name.value.toString("utf8"), data.value));
    case CEL.management:
      return readManagement(element);
    case CEL.cos:
      return readCos(element);
    case CEL.recnum:
    case CEL.pcr:
    case CEL.nvIndex:
    case CEL.digests:
    case CEL.ccRegister:
      throw wrongType(element, "content");
    default:
      return opaqueContent(element.type, element.value);
  }
}

/** Content of two elements, types 0 and 1. */
function readPair(element: Element, make: (first: Element, second: Element) => CelContent): CelContent {
  const elements = inside(element);
  const [first, second] = [elements.next(), elements.next()];
  if (first.type !== 0 || second.type !== 1 || !elements.atEnd)
    throw wrongType(element, "content of two parts");
  return make(first, second);
}

function only(element: Element): Element {
  const elements = inside(element);
  const found = elements.next();
  if (!elements.atEnd) throw wrongType(element, "content of one part");
  return found;
}

function readManagement(element: Element): CelContent {
  const part = only(element);
  const { type, value } = part;
  if (type === MANAGEMENT.firmwareEnd) return managementContent(type, undefined, element.value);
  if (type !== MANAGEMENT.version) return managementContent(type, unsigned(part, 8), element.value);
  const version = inside(part);
  const [major, minor] = [version.next(), version.next()];
  if (!version.atEnd) throw wrongType(part, `a version and nothing else in ${value.length} bytes`);
  return managementContent(type, `${unsigned(major, 2)}.${unsigned(minor, 2)}`, element.value);
}

function readCos(element: Element): CelContent {
  const part = only(element);
  return cosContent(part.type, part.value, element.whole);
}
