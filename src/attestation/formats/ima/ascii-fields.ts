/** Fields as the kernel prints them, back in the bytes that were measured. */
import { fromHex } from "../../../crypto/bytes.ts";
import type { FieldName, FileDigest } from "./template.ts";

/**
 * Hexadecimal in the line itself. Node stops at the first character that is no digit, so the length tells; characters
 * above 0xff, which it would take for others, cannot be in Latin-1.
 */
export function hexBytes(bytes: Buffer, from: number, to: number): Buffer | undefined {
  return latin1Hex(bytes.toString("latin1", from, to));
}

function latin1Hex(text: string): Buffer | undefined {
  const value = Buffer.from(text, "hex");
  return 2 * value.length === text.length ? value : undefined;
}

export interface PrintedDigest extends FileDigest {
  /** What stands before the digest, the last colon included. */
  readonly head: string;
}

/** `sha256:<hex>` or `ima:sha256:<hex>`, in Latin-1; undefined for text that is neither. */
export function readDigest(text: string): PrintedDigest | undefined {
  const colon = text.lastIndexOf(":");
  const value = colon < 0 ? undefined : latin1Hex(text.slice(colon + 1));
  if (value === undefined) return undefined;
  const first = text.indexOf(":");
  const head = text.slice(0, colon + 1);
  return first === colon
    ? { algorithm: text.slice(0, colon), value, type: undefined, head }
    : { algorithm: text.slice(first + 1, colon), value, type: text.slice(0, first), head };
}

/** The bytes of a digest field: head, zero, digest. */
export function digestBytes({ head, value }: PrintedDigest): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + 1 + value.length);
  bytes.write(head, 0, head.length, "latin1");
  bytes[head.length] = 0;
  value.copy(bytes, head.length + 1);
  return bytes;
}

/** Any other field; undefined for text that is none. */
export function fieldBytes(field: FieldName, text: string): Buffer | undefined {
  switch (field) {
    case "d-modsig":
      return text === "" ? Buffer.alloc(0) : modsigDigest(text);
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

function modsigDigest(text: string): Buffer | undefined {
  const digest = readDigest(text);
  return digest && digestBytes(digest);
}

function unsigned(text: string, width: number): Buffer | undefined {
  if (!/^\d{1,10}$/.test(text) || Number(text) >= 2 ** (8 * width)) return undefined;
  const bytes = Buffer.alloc(width);
  bytes.writeUIntLE(Number(text), 0, width);
  return bytes;
}
