import { readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
/** What a registration message may carry, as `--type` names it. */
export const MESSAGE_TYPES = ["sample", "swid", "corim", "in-toto"] as const;
export type MessageType = (typeof MESSAGE_TYPES)[number];

/**
 * The registration message for a file: its bytes as payload, or the file itself when it is such a message already.
 *
 * @param type - as the person said; found out from the content if absent
 * @param expires - RFC 3339
 * @returns `undefined` when the content is nothing that is recognised
 */
export function messageForFile(
  content: Buffer,
  type: MessageType | undefined,
  expires: string | undefined,
): JsonObject | undefined {
  const expiration = expires === undefined ? {} : { expiration: expires };
  const json =
    content[0] === OPEN_BRACE || /^\s*\{/.test(content.toString("latin1", 0, 64))
      ? jsonOf(content)
      : undefined;
  if (type === undefined && json !== undefined && isMessage(json)) return { ...json, ...expiration };
  const found = type ?? typeOf(content, json);
  if (found === undefined) return undefined;
  return { version: "0.1.0", type: found, payload: content.toString("base64"), ...expiration };
}

const OPEN_BRACE = 0x7b;

function jsonOf(content: Buffer): JsonObject | undefined {
  try {
    const value: JsonValue = readJson(content);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMessage(value: JsonObject): boolean {
  return typeof member(value, "type") === "string" && typeof member(value, "payload") === "string";
}

function typeOf(content: Buffer, json: JsonObject | undefined): MessageType | undefined {
  if (json !== undefined) {
    const isStatement = member(json, "payloadType") !== undefined || member(json, "_type") !== undefined;
    return isStatement ? "in-toto" : "sample";
  }
  if (/^(?:\xef\xbb\xbf)?\s*</.test(content.toString("latin1", 0, 64))) return "swid";
  // The tags 500 to 502 and 18, with which every CoRIM begins.
  if (content[0] === 0xd2 || (content[0] === 0xd9 && content[1] === 0x01)) return "corim";
  return undefined;
}

/** A message of type `sample` that sets one value. */
export function messageForValue(name: string, value: JsonValue, expires: string | undefined): JsonObject {
  const payload = Buffer.from(writeJson({ [name]: value })).toString("base64");
  return {
    version: "0.1.0",
    type: "sample",
    payload,
    ...(expires === undefined ? {} : { expiration: expires }),
  };
}
