import { createHash } from "node:crypto";

/**
 * Names of things as names of files. The encoding is injective, also on file systems that fold case or
 * strip trailing dots, and its result is one plain component: no separator, no leading dot, ASCII only.
 *
 * `a–z 0–9 _ -` and inner dots stand for themselves, `A` becomes `+a`, any other byte of the UTF-8 form
 * becomes `=hh`.
 */
export function encodeFileName(name: string): string {
  if (/^[a-z0-9_-]+$/.test(name)) return name;
  const bytes = Buffer.from(name, "utf8");
  let encoded = "";
  for (const [at, byte] of bytes.entries()) encoded += encodeByte(byte, at === 0 || at === bytes.length - 1);
  return encoded;
}

/** @returns `undefined` for anything `encodeFileName` does not print, so that two files never mean one name */
export function decodeFileName(encoded: string): string | undefined {
  if (!/^(?:[a-z0-9_.-]|\+[a-z]|=[0-9a-f]{2})+$/.test(encoded)) return undefined;
  const bytes: number[] = [];
  for (const [unit] of encoded.matchAll(/\+[a-z]|=[0-9a-f]{2}|./g)) bytes.push(decodeUnit(unit));
  const name = Buffer.from(bytes).toString("utf8");
  return encodeFileName(name) === encoded ? name : undefined;
}

/** Longest encoded name that is used as it is; suffixes fit below the 255 bytes file systems allow. */
const MAX_ENCODED_LENGTH = 200;

/**
 * Like `encodeFileName` for names of any length: a long one becomes `=~` and its SHA-256, which no escape
 * prints. Such a file must hold its name inside, as it cannot be decoded.
 */
export function boundedFileName(name: string): string {
  const encoded = encodeFileName(name);
  if (encoded.length <= MAX_ENCODED_LENGTH) return encoded;
  return `=~${createHash("sha256").update(name, "utf8").digest("hex")}`;
}

const DOT = 0x2e;

function encodeByte(byte: number, edge: boolean): string {
  const character = String.fromCharCode(byte);
  if (/[a-z0-9_-]/.test(character)) return character;
  if (/[A-Z]/.test(character)) return `+${character.toLowerCase()}`;
  if (byte === DOT && !edge) return character;
  return `=${byte.toString(16).padStart(2, "0")}`;
}

function decodeUnit(unit: string): number {
  if (unit.startsWith("=")) return Number.parseInt(unit.slice(1), 16);
  return (unit.startsWith("+") ? unit.slice(1).toUpperCase() : unit).charCodeAt(0);
}
