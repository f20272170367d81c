import { timingSafeEqual } from "node:crypto";

/** Compares in time that depends on the lengths only. Different lengths are different values. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && timingSafeEqual(left, right);
}

/** @returns whether every byte is zero; true for an empty array */
export function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("hex");
}

/** A view on the same memory; `Buffer.from(bytes)` would copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads hexadecimal text of either case.
 *
 * @returns undefined for anything else; `Buffer.from(text, "hex")` stops silently at the first bad digit
 */
export function fromHex(text: string): Buffer | undefined {
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text) ? Buffer.from(text, "hex") : undefined;
}

/**
 * Reads standard base64 with its padding, in the one form an encoder writes.
 *
 * @returns undefined for anything else; `Buffer.from(text, "base64")` passes over what it cannot read
 */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

/**
 * Reads URL-safe base64, with its padding or without any.
 *
 * @returns undefined for anything else
 */
export function fromBase64Url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  const plain = bytes.toString("base64url");
  return text === plain || text === plain + "=".repeat(-plain.length & 3) ? bytes : undefined;
}

/** `bytes` followed by zeros up to `length`; longer input is cut to its first `length` bytes. */
export function resize(bytes: Uint8Array, length: number): Buffer {
  const out = Buffer.alloc(length);
  out.set(bytes.subarray(0, length));
  return out;
}
