import { decode, decodeSequence, encode, Tag } from "cbor2";
import { asBuffer } from "./bytes.ts";

/**
 * The one door to CBOR (RFC 8949). Decoding is strict: well-formed UTF-8, no duplicate keys, no lengths without a
 * number unless asked for, keys that are integers or text, a bound on size and depth. Numbers are as in JSON here:
 * integers outside ±(2^53−1) are `bigint`, so a 64-bit counter is never rounded.
 */
export type CborKey = number | bigint | string;
export type CborMap = ReadonlyMap<CborKey, CborValue>;
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborValue[]
  | CborMap
  | CborTag;

/** A tagged item (RFC 8949 §3.4). Tags have no meaning here, bignums among them; whoever expects one looks. */
export class CborTag {
  readonly tag: number | bigint;
  readonly value: CborValue;

  constructor(tag: number | bigint, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

/** Bytes that are not acceptable CBOR. The message says what is wrong, never what stands there. */
export class CborError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = "CborError";
  }
}

export interface CborLimits {
  /** Longest input in bytes. */
  readonly maxBytes?: number;
  /** Deepest nesting of arrays, maps and tags. */
  readonly maxDepth?: number;
  /** Most maps in the input: an empty one costs a sender one byte and the reader a hundred. */
  readonly maxMaps?: number;
  /** Most items of any kind, counted before one is made, for input of strangers; not counted if absent. */
  readonly maxItems?: number;
  /** Also accept arrays, maps and strings of indefinite length, where a format allows them. */
  readonly allowIndefinite?: boolean;
}

const DEFAULT_MAX_BYTES = 1 << 20;
const DEFAULT_MAX_DEPTH = 32;
const DEFAULT_MAX_MAPS = 100_000;
/** Major types of keys: unsigned, negative, text (RFC 8949 §3.1). */
const KEY_TYPES = [0, 1, 3];

/**
 * Decodes exactly one item.
 *
 * @param bytes - byte strings of the result are views on it
 * @throws CborError, and nothing else on any input
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = {}): CborValue {
  return guarded(bytes, limits, (options, depth) => fromLibrary(decode(asBuffer(bytes), options), depth));
}

/**
 * Decodes a CBOR sequence (RFC 8742): items one after the other, maybe none.
 * @throws CborError, and nothing else on any input
 */
export function decodeCborSequence(bytes: Uint8Array, limits: CborLimits = {}): readonly CborValue[] {
  return guarded(bytes, limits, (options, depth) =>
    bytes.byteLength === 0
      ? []
      : Array.from(decodeSequence(asBuffer(bytes), options), (item) => fromLibrary(item, depth)),
  );
}

/**
 * Deterministic encoding (RFC 8949 §4.2.1): shortest forms, keys sorted by their bytes. Heads are written here: the
 * library takes some 25 µs for every key of a map, which is a millisecond for an ordinary token. Its word is taken for
 * floats and for integers beyond 64 bits.
 */
export function encodeCbor(value: CborValue): Buffer {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

/** Whether `value` is a map; arrays, tags and byte strings are none. */
export function isCborMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map;
}

/** `Array.isArray` that narrows read-only arrays as well. */
export function isCborArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}

export function isCborBytes(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array;
}

function guarded<T>(bytes: Uint8Array, limits: CborLimits, read: (options: object, depth: number) => T): T {
  const { maxBytes = DEFAULT_MAX_BYTES, maxDepth = DEFAULT_MAX_DEPTH } = limits;
  if (bytes.byteLength > maxBytes) throw new CborError(`more than ${maxBytes} bytes of CBOR`);
  if (limits.maxItems !== undefined) checkItems(bytes, limits.maxItems);
  try {
    return read(optionsFor(limits, maxDepth), maxDepth);
  } catch (error) {
    if (error instanceof CborError) throw error;
    throw new CborError("malformed CBOR", { cause: error });
  }
}

/** Goes from head to head (RFC 8949 §3); whether they make sense together is for the decoder to say. */
function checkItems(bytes: Uint8Array, maxItems: number): void {
  let items = 0;
  for (let at = 0; at < bytes.byteLength; items++) {
    if (items >= maxItems) throw new CborError(`more than ${maxItems} items`);
    const initial = bytes[at] ?? 0;
    const width = ARGUMENT_BYTES[initial & 0x1f] ?? 0;
    const type = initial >> 5;
    const isString = type === MAJOR.bytes || type === MAJOR.text;
    let length = isString && width === 0 && (initial & 0x1f) < 24 ? initial & 0x1f : 0;
    // A length that is no exact number any more is beyond every input.
    if (isString) for (let next = 1; next <= width; next++) length = length * 256 + (bytes[at + next] ?? 0);
    at += 1 + width + length;
  }
}

/** Bytes of the argument behind the initial byte, by its lower five bits; others have none. */
const ARGUMENT_BYTES: Readonly<Record<number, number>> = { 24: 1, 25: 2, 26: 4, 27: 8 };

function optionsFor(limits: CborLimits, maxDepth: number): object {
  let maps = limits.maxMaps ?? DEFAULT_MAX_MAPS;
  return {
    // The library counts arrays twice and other containers once; the exact count is taken afterwards.
    maxDepth: 2 * maxDepth,
    rejectStreaming: limits.allowIndefinite !== true,
    rejectDuplicateKeys: true,
    rejectUndefined: true,
    rejectSimple: true,
    ignoreGlobalTags: true,
    preferMap: true,
    createObject(entries: readonly (readonly [unknown, unknown, Uint8Array])[]): Map<unknown, unknown> {
      if (maps-- <= 0) throw new CborError("too many maps");
      return mapOf(entries);
    },
  };
}

/** @param entries - key, value, and the key's bytes */
function mapOf(entries: readonly (readonly [unknown, unknown, Uint8Array])[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (const [key, value, encoded] of entries) {
    // By the bytes, because 1.0 and 1 are one number in JavaScript.
    if (!KEY_TYPES.includes((encoded[0] ?? 0xff) >> 5))
      throw new CborError("a key that is neither integer nor text");
    if (map.has(key)) throw new CborError("a key that occurs twice");
    map.set(key, value);
  }
  return map;
}

/**
 * The library's own classes become ours, so that nothing of it is seen outside.
 * @param depth - containers that may still stand within each other here
 */
function fromLibrary(value: unknown, depth: number): CborValue {
  if (value instanceof Uint8Array) return asBuffer(value);
  if (typeof value !== "object" || value === null) return scalar(value);
  if (depth === 0) throw new CborError("nested too deeply");
  if (value instanceof Tag) return new CborTag(tagNumber(value.tag), fromLibrary(value.contents, depth - 1));
  if (Array.isArray(value)) return value.map((item) => fromLibrary(item, depth - 1));
  if (!(value instanceof Map)) return scalar(value);
  for (const [key, item] of value) value.set(key, fromLibrary(item, depth - 1));
  return value;
}

function scalar(value: unknown): CborValue {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "number":
    case "bigint":
      return value;
    default:
      if (value === null) return null;
      throw new CborError("a value of a kind that has no use here");
  }
}

function tagNumber(tag: unknown): number | bigint {
  if (typeof tag === "number" || typeof tag === "bigint") return tag;
  throw new CborError("a tag without a number");
}

/** Major types (RFC 8949 §3.1). */
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const FALSE = Buffer.of(0xf4);
const TRUE = Buffer.of(0xf5);
const NULL = Buffer.of(0xf6);

function write(value: CborValue, parts: Uint8Array[]): void {
  if (value === null) parts.push(NULL);
  else if (typeof value === "boolean") parts.push(value ? TRUE : FALSE);
  else if (typeof value === "string") writeBytes(MAJOR.text, Buffer.from(value, "utf8"), parts);
  else if (typeof value === "number" || typeof value === "bigint") parts.push(numberBytes(value));
  else if (value instanceof Uint8Array) writeBytes(MAJOR.bytes, value, parts);
  else if (isCborArray(value)) {
    parts.push(head(MAJOR.array, value.length));
    for (const item of value) write(item, parts);
  } else if (value instanceof CborTag) {
    parts.push(head(MAJOR.tag, value.tag));
    write(value.value, parts);
  } else writeMap(value, parts);
}

function writeBytes(major: number, bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(head(major, bytes.byteLength), bytes);
}

function writeMap(map: CborMap, parts: Uint8Array[]): void {
  parts.push(head(MAJOR.map, map.size));
  const entries = Array.from(map, ([key, value]) => ({ key: encodeCbor(key), value }));
  entries.sort((left, right) => Buffer.compare(left.key, right.key));
  for (const { key, value } of entries) {
    parts.push(key);
    write(value, parts);
  }
}

const MAX_UINT64 = 2n ** 64n - 1n;

function numberBytes(value: number | bigint): Uint8Array {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return encode(value, { cde: true });
    return value < 0 ? head(MAJOR.negative, -1 - value) : head(MAJOR.unsigned, value);
  }
  const magnitude = value < 0n ? -1n - value : value;
  if (magnitude > MAX_UINT64) return encode(value, { cde: true });
  return head(value < 0n ? MAJOR.negative : MAJOR.unsigned, magnitude);
}

/** Major type and argument, in the shortest of the five lengths. */
function head(major: number, argument: number | bigint): Buffer {
  const type = major << 5;
  const number = Number(argument);
  if (number < 24) return Buffer.of(type | number);
  if (number < 0x100) return Buffer.of(type | 24, number);
  const bytes = Buffer.alloc(number < 0x1_0000 ? 3 : number < 0x1_0000_0000 ? 5 : 9);
  bytes[0] = type | (bytes.length === 3 ? 25 : bytes.length === 5 ? 26 : 27);
  if (bytes.length === 3) bytes.writeUInt16BE(number, 1);
  else if (bytes.length === 5) bytes.writeUInt32BE(number, 1);
  else bytes.writeBigUInt64BE(BigInt(argument), 1);
  return bytes;
}
