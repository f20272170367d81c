/**
 * A door to DER (ITU-T X.690): just enough to read certificates, revocation lists and the vendor extensions
 * that `node:crypto` does not show. Definite, minimal lengths only; nothing is copied.
 */

/** Bytes that are not DER. The message says what and where, never the content. */
export class DerError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "DerError";
  }
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface DerNode {
  readonly tag: number;
  /** Without tag and length. */
  readonly content: Buffer;
  /** With tag and length. */
  readonly whole: Buffer;
}

/** Reads the nodes of one constructed value in order. */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** @throws DerError when the next node has another tag, or its length does not fit */
  next(tag?: number): DerNode {
    const node = readNode(this.#bytes, this.#at);
    if (tag !== undefined && node.tag !== tag) throw new DerError(`tag ${tag} expected, ${node.tag} found`);
    this.#at += node.whole.length;
    return node;
  }

  /** The next node if it has this tag. */
  optional(tag: number): DerNode | undefined {
    return !this.atEnd && this.#bytes[this.#at] === tag ? this.next(tag) : undefined;
  }

  /** A reader for the content of the next node. */
  enter(tag: number): DerReader {
    return new DerReader(this.next(tag).content);
  }

  /** @throws DerError when bytes are left */
  end(): void {
    if (!this.atEnd) throw new DerError("bytes after the last element");
  }
}

/** Reads exactly one node that fills `bytes`. */
export function readDer(bytes: Buffer, tag?: number): DerNode {
  const reader = new DerReader(bytes);
  const node = reader.next(tag);
  reader.end();
  return node;
}

function readNode(bytes: Buffer, at: number): DerNode {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new DerError("unexpected end");
  if ((tag & 0x1f) === 0x1f) throw new DerError("a tag number above 30");
  if (first < 0x80) return slice(bytes, at, tag, at + 2, first);
  const octets = first & 0x7f;
  if (octets === 0) throw new DerError("an indefinite length");
  if (octets > 4 || at + 2 + octets > bytes.length) throw new DerError("a length beyond the data");
  const length = bytes.readUIntBE(at + 2, octets);
  if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw new DerError("a length that is not minimal");
  return slice(bytes, at, tag, at + 2 + octets, length);
}

function slice(bytes: Buffer, at: number, tag: number, start: number, length: number): DerNode {
  const end = start + length;
  if (end > bytes.length) throw new DerError("a length beyond the data");
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) };
}

/** Two's complement content of an INTEGER, checked to be minimal. */
export function integerBytes(node: DerNode): Buffer {
  const [first, second] = node.content;
  if (first === undefined) throw new DerError("an empty INTEGER");
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
    throw new DerError("an INTEGER that is not minimal");
  return node.content;
}

/** A small unsigned INTEGER, at most 2^31−1. */
export function smallInteger(node: DerNode): number {
  const bytes = integerBytes(node);
  if (bytes.length > 5 || (bytes[0] ?? 0) >= 0x80) throw new DerError("an INTEGER out of range");
  const value = bytes.readUIntBE(0, bytes.length);
  if (value > 0x7fffffff) throw new DerError("an INTEGER out of range");
  return value;
}

/** BOOLEAN (X.690 §11.1): DER knows 0x00 and 0xFF only. @throws DerError */
export function booleanValue(node: DerNode): boolean {
  const value = node.content[0];
  if (node.content.length !== 1 || (value !== 0 && value !== 0xff)) throw new DerError("a malformed BOOLEAN");
  return value === 0xff;
}

/** Dotted form of an OBJECT IDENTIFIER. */
export function oidText(node: DerNode): string {
  if (node.content.length === 0 || node.content.length > 64)
    throw new DerError("a malformed OBJECT IDENTIFIER");
  const arcs: number[] = [];
  let arc = 0;
  let open = false;
  for (const byte of node.content) {
    if (!open && byte === 0x80) throw new DerError("an OBJECT IDENTIFIER that is not minimal");
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw new DerError("an OBJECT IDENTIFIER out of range");
    open = byte >= 0x80;
    if (open) continue;
    arcs.push(arc);
    arc = 0;
  }
  if (open) throw new DerError("a cut OBJECT IDENTIFIER");
  const [head = 0, ...rest] = arcs;
  const root = Math.min(Math.floor(head / 40), 2);
  return [root, head - 40 * root, ...rest].join(".");
}

/** Bits of a BIT STRING that has whole bytes only, as every signature and key does. */
export function wholeBits(node: DerNode): Buffer {
  if (node.content.length < 1 || node.content[0] !== 0) throw new DerError("a BIT STRING with unused bits");
  return node.content.subarray(1);
}

const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/**
 * UTCTime or GeneralizedTime in the only forms RFC 5280 §4.1.2.5 permits (UTC, with seconds, no fraction).
 *
 * @returns milliseconds since the epoch
 */
export function timeValue(node: DerNode): number {
  const text = node.content.toString("latin1");
  const match = TIME.exec(fourDigitYear(node.tag, text));
  if (match === null) throw new DerError("a malformed time");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC carries 31 April over into May; a value that changes by printing it again was never a date.
  const again = new Date(at).toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  if (again !== match[0].slice(0, 14)) throw new DerError("a time that does not exist");
  return at;
}

function fourDigitYear(tag: number, text: string): string {
  if (tag === TAG.generalizedTime) return text;
  if (tag !== TAG.utcTime || text.length !== 13) throw new DerError("a time was expected");
  return (Number(text.slice(0, 2)) >= 50 ? "19" : "20") + text;
}

/** Text of the string types that occur in names. */
export function stringValue(node: DerNode): string {
  switch (node.tag) {
    case TAG.utf8String:
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.teletexString:
      return node.content.toString(node.tag === TAG.utf8String ? "utf8" : "latin1");
    default:
      throw new DerError("a string type that is not supported");
  }
}
