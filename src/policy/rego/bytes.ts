/**
 * Text that came from bytes. Built-ins such as `base64.decode` yield bytes that need not be UTF-8, and a policy
 * may compare them or encode them again. Each byte that belongs to no UTF-8 sequence is kept as one lone surrogate
 * U+DC80–U+DCFF, so that it counts as one code point, differs from every other byte and can be turned back. Text
 * from documents holds no lone surrogates, and neither does text that leaves the engine.
 */

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ESCAPE = 0xdc00;
/** Units made into text at once; each is one argument of a call. */
const MAX_ARGUMENTS = 4_096;

/** Bytes as text, `undefined` when they are not UTF-8. */
export function strictText(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes as text, whatever they are. */
export function textFromBytes(bytes: Uint8Array): string {
  const whole = strictText(bytes);
  if (whole !== undefined) return whole;
  // A sequence takes no more UTF-16 units than bytes.
  const units = new Uint16Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    const sequence = sequenceAt(bytes, at);
    const code = sequence?.code ?? ESCAPE + (bytes[at] ?? 0);
    if (code > 0xffff) units[length++] = 0xd7c0 + (code >> 10);
    units[length++] = code > 0xffff ? 0xdc00 + (code & 0x3ff) : code;
    at += sequence?.length ?? 1;
  }
  return textFromUnits(units.subarray(0, length));
}

/** A string of these UTF-16 units. */
export function textFromUnits(units: Uint16Array): string {
  let text = "";
  for (let at = 0; at < units.length; at += MAX_ARGUMENTS)
    text += String.fromCharCode(...units.subarray(at, at + MAX_ARGUMENTS));
  return text;
}

/** Smallest code point that needs a sequence of this length: shorter ones must not be written longer. */
const SMALLEST = [0, 0, 0x80, 0x800, 0x10000];

/** The UTF-8 sequence at a position (RFC 3629 §4); `undefined` when there is none. */
function sequenceAt(
  bytes: Uint8Array,
  at: number,
): { readonly code: number; readonly length: number } | undefined {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return { code: lead, length: 1 };
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return undefined;
  let code = lead & (0xff >> (length + 1));
  for (let next = at + 1; next < at + length; next++) {
    const byte = bytes[next] ?? 0;
    if (byte >> 6 !== 2) return undefined;
    code = (code << 6) | (byte & 0x3f);
  }
  const valid = code >= (SMALLEST[length] ?? 0) && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return valid ? { code, length } : undefined;
}

/** The UTF-8 bytes of a text; the inverse of `textFromBytes`. */
export function bytesFromText(text: string): Buffer {
  if (isWellFormed(text)) return Buffer.from(text, "utf8");
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    parts.push(isEscapedByte(code) ? Buffer.from([code - ESCAPE]) : Buffer.from(character, "utf8"));
  }
  return Buffer.concat(parts);
}

/** Whether a code point stands for a byte that is not UTF-8. */
export function isEscapedByte(code: number): boolean {
  return code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
}

/** The byte that such a code point stands for. */
export function escapedByte(code: number): number {
  return code - ESCAPE;
}

// Both are in every supported Node but not in the ES2023 library that the project is typed against.
const nativeIsWellFormed: () => boolean = Reflect.get(String.prototype, "isWellFormed");
const nativeToWellFormed: () => string = Reflect.get(String.prototype, "toWellFormed");

/** Whether the text has no lone surrogates. The platform knows at once for text without any. */
export function isWellFormed(text: string): boolean {
  return nativeIsWellFormed.call(text);
}

/** The text with U+FFFD for every lone surrogate. */
export function toWellFormed(text: string): string {
  return nativeToWellFormed.call(text);
}
