/** Pieces that UEFI structures are made of (UEFI 2.10 §2.3, appendix A). */
import type { LogCursor } from "../cursor.ts";

/** A GUID in its usual form: the first three parts little-endian. */
export function guidText(bytes: Buffer): string {
  const part = (from: number, to: number) => bytes.subarray(from, to).toString("hex");
  const swapped = (from: number, to: number) =>
    Buffer.from(bytes.subarray(from, to)).reverse().toString("hex");
  return `${swapped(0, 4)}-${swapped(4, 6)}-${swapped(6, 8)}-${part(8, 10)}-${part(10, 16)}`;
}

/** A GUID with its bytes as they lie in memory: wrong, but what policies of the field compare with. */
export function guidBytesText(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

const UTF16 = new TextDecoder("utf-16le", { ignoreBOM: true });

/** UTF-16LE; what is no character is replaced, so that the text can be printed as JSON. */
export function utf16Whole(bytes: Buffer): string {
  return UTF16.decode(bytes.subarray(0, bytes.length & ~1));
}

/** UTF-16LE up to a terminator or the end. */
export function utf16Text(bytes: Buffer): string {
  const text = utf16Whole(bytes);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

export function readGuid(cursor: LogCursor, what: string): string {
  return guidText(cursor.take(16, what));
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns undefined for bytes that are no UTF-8 */
export function utf8Text(bytes: Buffer): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
