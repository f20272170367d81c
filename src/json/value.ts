/**
 * JSON documents as the house passes them around. Integers outside ±(2^53−1) are `bigint`: evidence carries
 * 64-bit counters, and rounding one of them breaks its signature.
 */
export type JsonScalar = null | boolean | number | bigint | string;
export type JsonValue = JsonScalar | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: JsonValue;
}
