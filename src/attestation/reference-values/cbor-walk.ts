import {
  CborError,
  type CborKey,
  type CborMap,
  CborTag,
  type CborValue,
  decodeCbor,
  isCborArray,
  isCborBytes,
  isCborMap,
} from "../../crypto/cbor.ts";
import { malformed } from "./manifest.ts";

/** Expectations of decoded CBOR that say where they were not met. Each throws KbsError `reference-value-invalid`. */

const LIMITS = { maxDepth: 32, maxMaps: 50_000, maxBytes: 8 * 1024 * 1024 } as const;

export function readItem(bytes: Uint8Array, position: string): CborValue {
  try {
    return decodeCbor(bytes, LIMITS);
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
    throw malformed("payload-malformed", `the payload is not acceptable CBOR: ${error.message}`, position);
  }
}

export function asMap(value: CborValue | undefined, position: string): CborMap {
  if (isCborMap(value)) return value;
  throw malformed("payload-malformed", "a map is expected", position);
}

export function asArray(value: CborValue | undefined, position: string): readonly CborValue[] {
  if (isCborArray(value)) return value;
  throw malformed("payload-malformed", "an array is expected", position);
}

/** An array with at least one element. */
export function asList(value: CborValue | undefined, position: string): readonly CborValue[] {
  const list = asArray(value, position);
  if (list.length === 0)
    throw malformed("payload-malformed", "an array with an element is expected", position);
  return list;
}

/** An array of exactly two elements. */
export function asPair(value: CborValue | undefined, position: string): readonly [CborValue, CborValue] {
  const [first, second, ...more] = asArray(value, position);
  if (first === undefined || second === undefined || more.length > 0)
    throw malformed("payload-malformed", "an array of two is expected", position);
  return [first, second];
}

export function asBytes(value: CborValue | undefined, position: string): Uint8Array {
  if (isCborBytes(value)) return value;
  throw malformed("payload-malformed", "a byte string is expected", position);
}

export function asText(value: CborValue | undefined, position: string): string {
  if (typeof value === "string") return value;
  throw malformed("payload-malformed", "text is expected", position);
}

/** `undefined` stays `undefined`; anything else must be text. */
export function optionalText(map: CborMap, key: CborKey, position: string): string | undefined {
  const value = map.get(key);
  return value === undefined ? undefined : asText(value, position);
}

/** What stands below a tag of one of these numbers, or the value itself when it has none of them. */
export function untagged(value: CborValue, ...tags: readonly number[]): CborValue {
  return value instanceof CborTag && tags.some((tag) => tag === value.tag) ? value.value : value;
}

/** Tag 1 (RFC 8949 §3.4.2): seconds since the epoch, as milliseconds. */
export function asTime(value: CborValue | undefined, position: string): number {
  const seconds = value instanceof CborTag && value.tag === 1 ? value.value : undefined;
  if (typeof seconds === "number" && Math.abs(seconds) < 2 ** 42) return Math.floor(seconds * 1000);
  throw malformed("payload-malformed", "a time (tag 1) is expected", position);
}
