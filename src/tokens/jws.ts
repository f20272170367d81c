import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonObject } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import { tokenRefused } from "./refusal.ts";

/** A compact JWS taken apart (RFC 7515 §7.1); nothing in it is believed yet. */
export interface CompactJws {
  readonly header: JsonObject;
  readonly payload: Buffer;
  /** ASCII of `header.payload`. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Longest token in characters: many GPUs fill some hundred KiB, and request heads end at 1 MiB. */
export const MAX_TOKEN_LENGTH = 1 << 20;
const MAX_HEADER_LENGTH = 64 * 1024;

/** @throws KbsError `token-rejected` */
export function parseCompactJws(token: string): CompactJws {
  if (token.length > MAX_TOKEN_LENGTH) throw tokenRefused("it is too long");
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  if (first < 0 || second < 0 || token.indexOf(".", second + 1) >= 0)
    throw tokenRefused("it is not three parts joined by dots");
  if (first > MAX_HEADER_LENGTH) throw tokenRefused("its header is too long");
  const header = parseHeader(parseBase64url(token.slice(0, first)));
  return {
    header,
    payload: parseBase64url(token.slice(first + 1, second)),
    signed: Buffer.from(token.slice(0, second), "latin1"),
    signature: parseBase64url(token.slice(second + 1)),
  };
}

function parseHeader(bytes: Buffer): JsonObject {
  const header = parseObject(bytes, "header");
  // Extensions that must be understood: none is (RFC 7515 §4.1.11), `b64` among them.
  if (member(header, "crit") !== undefined) throw tokenRefused("it demands a header extension (crit)");
  return header;
}

/** @throws KbsError `token-rejected` */
export function parseObject(bytes: Buffer, what: string): JsonObject {
  try {
    const value = readJson(bytes);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
  }
  throw tokenRefused(`its ${what} is not a JSON object`);
}

/** Unpadded base64url and nothing else; the decoder alone would skip what it does not know. */
export function parseBase64url(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw tokenRefused("a part is not unpadded base64url");
  return bytes;
}
