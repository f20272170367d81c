/**
 * Intel's signed JSON: `{"tcbInfo":{…},"signature":"…"}`. The signature covers the text of the inner object, and only
 * what was parsed from signed text is given back.
 */
import type { KeyObject } from "node:crypto";
import { fromHex } from "../../../crypto/bytes.ts";
import { verifyP256 } from "../../../crypto/ecdsa.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonValue } from "../../../json/value.ts";
import { isObject, member, writeJson } from "../../../json/write.ts";

export type SignedMember = "tcbInfo" | "enclaveIdentity";

/** A statement without a good signature. The message says what is wrong. */
export class SignedJsonError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SignedJsonError";
  }
}

const MAX_BODY_BYTES = 1024 * 1024;
const LIMITS = { maxDepth: 16, maxParts: 100_000 };
const TAIL = /,"signature":"[0-9a-fA-F]{128}"\}\s*$/;

/**
 * Verifies over the bytes as they came; if that fails, once more over the compact form, which is what Intel signs:
 * a copy that somebody printed prettily on the way verifies the second way only.
 *
 * @throws SignedJsonError
 */
export function readSignedJson(body: Buffer, name: SignedMember, key: KeyObject): JsonValue {
  if (body.length > MAX_BODY_BYTES) throw new SignedJsonError("a statement that is too long");
  const outer = parse(body);
  const inner = isObject(outer) ? member(outer, name) : undefined;
  if (!isObject(outer) || inner === undefined) throw new SignedJsonError(`a statement without ${name}`);
  const signature = signatureOf(member(outer, "signature"));
  const text = innerText(body.toString("utf8"), name);
  if (text !== undefined && verifyP256(key, Buffer.from(text), signature)) return parse(text);
  if (verifyP256(key, Buffer.from(writeJson(inner)), signature)) return inner;
  throw new SignedJsonError("an invalid signature");
}

function parse(text: Buffer | string): JsonValue {
  try {
    return readJson(text, LIMITS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new SignedJsonError(`not JSON: ${error.message}`, error);
    throw error;
  }
}

function signatureOf(value: JsonValue | undefined): Buffer {
  const bytes = typeof value === "string" ? fromHex(value) : undefined;
  if (bytes?.length !== 64) throw new SignedJsonError("no signature of 64 bytes in hexadecimal");
  return bytes;
}

/** Text of the inner object in the form that Intel's service writes; other forms have none. */
function innerText(text: string, name: SignedMember): string | undefined {
  const head = `{"${name}":`;
  const tail = TAIL.exec(text);
  return text.startsWith(head) && tail !== null ? text.slice(head.length, tail.index) : undefined;
}
