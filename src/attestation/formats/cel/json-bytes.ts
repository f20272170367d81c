import { fromHex } from "../../../crypto/bytes.ts";

/** Base64 of either alphabet, with or without padding; undefined for anything else. */
export function bytesOf(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === Math.floor((text.replace(/=+$/, "").length * 3) / 4) ? bytes : undefined;
}

/** A digest in hexadecimal or base64, as its length tells; producers do not agree. */
export function digestOf(text: string, size: number): Buffer | undefined {
  const hex = text.length === 2 * size ? fromHex(text) : undefined;
  const bytes = hex ?? bytesOf(text);
  return bytes?.length === size ? bytes : undefined;
}
