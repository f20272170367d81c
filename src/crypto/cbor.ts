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

/** Deterministic encoding (RFC 8949 §4.2.1): shortest forms, keys sorted by their bytes. */
export function encodeCbor(value: CborValue): Buffer {
  return asBuffer(encode(toLibrary(value), { cde: true }));
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
  try {
    return read(optionsFor(limits, maxDepth), maxDepth);
  } catch (error) {
    if (error instanceof CborError) throw error;
    throw new CborError("malformed CBOR", { cause: error });
  }
}

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

/** The library would print a Buffer by its toJSON. */
function toLibrary(value: CborValue): unknown {
  if (value instanceof CborTag) return new Tag(value.tag, toLibrary(value.value));
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (isCborArray(value)) return value.map(toLibrary);
  if (isCborMap(value)) return new Map(Array.from(value, ([key, item]) => [key, toLibrary(item)]));
  return value;
}
