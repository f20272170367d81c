import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, member } from "../../json/write.ts";
import { extractCorim } from "./extract-corim.ts";
import { extractInToto } from "./extract-in-toto.ts";
import { extractSample } from "./extract-sample.ts";
import { extractSwid } from "./extract-swid.ts";
import {
  type Extraction,
  type Extractor,
  MAX_PAYLOAD_BYTES,
  malformed,
  payloadDigest,
  shown,
} from "./manifest.ts";
import { MESSAGE_VERSION } from "./stored-value.ts";
import { parseTime } from "./times.ts";

/**
 * The registration message of the reference value provider (Trustee RVPS, message version 0.1.0):
 * `{"version": "0.1.0", "type": "sample", "payload": "…"}`, the payload being base64 of what the type says.
 * `expiration`, a member of our own, is the RFC 3339 time from which the values count as unknown.
 */

/** One extractor per message type: payload in, named values out. */
const EXTRACTORS: Readonly<Record<string, Extractor>> = {
  sample: extractSample,
  swid: extractSwid,
  corim: extractCorim,
  "in-toto": extractInToto,
};

/** A message read: what it wants to set, and what for. Nobody has vouched for it yet. */
export interface ParsedMessage {
  readonly type: string;
  readonly extraction: Extraction;
  /** `sha384:` and hex over the payload after base64. */
  readonly payloadDigest: string;
  /** Milliseconds since the epoch; as asked for by whoever sends the message. */
  readonly expiration: number | undefined;
}

/**
 * @param message - the decoded message body
 * @throws KbsError `reference-value-invalid`
 */
export function parseMessage(message: JsonValue): ParsedMessage {
  if (!isObject(message))
    throw malformed("message-malformed", "the message is a JSON object with version, type and payload");
  checkVersion(message);
  const type = text(message, "type");
  const extract = Object.hasOwn(EXTRACTORS, type) ? EXTRACTORS[type] : undefined;
  if (extract === undefined)
    throw malformed(
      "type-unsupported",
      `message type ${shown(type)} is not supported; supported are: ${Object.keys(EXTRACTORS).join(", ")}`,
    );
  const payload = decodeBase64(text(message, "payload"));
  return {
    type,
    extraction: extract(payload),
    payloadDigest: payloadDigest(payload),
    expiration: expirationOf(message),
  };
}

function checkVersion(message: JsonObject): void {
  const version = member(message, "version");
  if (version !== undefined && version !== MESSAGE_VERSION)
    throw malformed("version-unsupported", `message version must be "${MESSAGE_VERSION}"`);
}

function text(message: JsonObject, name: string): string {
  const value = member(message, name);
  if (typeof value !== "string") throw malformed("message-malformed", `member "${name}" must be a string`);
  return value;
}

function expirationOf(message: JsonObject): number | undefined {
  const given = member(message, "expiration");
  if (given === undefined) return undefined;
  const time = typeof given === "string" ? parseTime(given) : undefined;
  if (time === undefined)
    throw malformed("expiry-invalid", "the expiry must be a time such as 2027-01-31T00:00:00Z");
  return time;
}

function decodeBase64(payload: string): Buffer {
  if (payload.length > Math.ceil(MAX_PAYLOAD_BYTES / 3) * 4)
    throw malformed("payload-too-large", `a payload may have at most ${MAX_PAYLOAD_BYTES} bytes`);
  // Node skips what is not base64; printing it again shows whether anything was skipped.
  const bytes = Buffer.from(payload, "base64");
  if (bytes.toString("base64") !== payload)
    throw malformed("payload-malformed", "the payload is not standard base64 with padding");
  return bytes;
}
