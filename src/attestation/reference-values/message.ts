import { KbsError } from "../../errors.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, member } from "../../json/write.ts";
import { nameFault } from "../../storage/document-store.ts";

/**
 * The registration message of the reference value provider (Trustee RVPS, message version 0.1.0):
 * `{"version": "0.1.0", "type": "sample", "payload": "…"}`, the payload being base64 of a JSON object
 * from names to values. Nothing in it is signed: administrator authentication is what protects it.
 */

export const MESSAGE_VERSION = "0.1.0";
const MAX_REFERENCE_VALUES_PER_MESSAGE = 10_000;

/** One extractor per message type: payload in, named values out. */
const EXTRACTORS: Readonly<Record<string, (payload: string) => ReadonlyMap<string, JsonValue>>> = {
  sample: extractSample,
};

/**
 * @param message - the decoded message body
 * @returns what to register, never empty
 * @throws KbsError `reference-value-invalid`
 */
export function parseMessage(message: JsonValue): ReadonlyMap<string, JsonValue> {
  if (!isObject(message)) throw invalid("the message is a JSON object with version, type and payload");
  checkVersion(message);
  const type = text(message, "type");
  const extract = Object.hasOwn(EXTRACTORS, type) ? EXTRACTORS[type] : undefined;
  if (extract === undefined)
    throw invalid(
      `message type ${quoted(type)} is not supported; supported are: ${Object.keys(EXTRACTORS).join(", ")}`,
    );
  return checkValues(extract(text(message, "payload")));
}

/** @throws KbsError `reference-value-invalid` */
export function checkReferenceValueName(name: string): string {
  const fault = nameFault(name);
  if (fault !== undefined) throw invalid(`a name is not usable: ${fault}`);
  return name;
}

function checkVersion(message: JsonObject): void {
  const version = member(message, "version") ?? MESSAGE_VERSION;
  if (version !== MESSAGE_VERSION) throw invalid(`message version must be "${MESSAGE_VERSION}"`);
}

function text(message: JsonObject, name: string): string {
  const value = member(message, name);
  if (typeof value !== "string") throw invalid(`member "${name}" must be a string`);
  return value;
}

function checkValues(values: ReadonlyMap<string, JsonValue>): ReadonlyMap<string, JsonValue> {
  if (values.size === 0) throw invalid("the payload names no reference value");
  if (values.size > MAX_REFERENCE_VALUES_PER_MESSAGE)
    throw invalid(`a message may name at most ${MAX_REFERENCE_VALUES_PER_MESSAGE} reference values`);
  for (const name of values.keys()) checkReferenceValueName(name);
  return values;
}

function extractSample(payload: string): ReadonlyMap<string, JsonValue> {
  const decoded = decodeBase64(payload);
  const value = parsePayload(decoded);
  if (!isObject(value)) throw invalid("the payload must be a JSON object from names to values");
  return new Map(Object.entries(value));
}

function decodeBase64(payload: string): Buffer {
  // Node skips what is not base64; printing it again shows whether anything was skipped.
  const bytes = Buffer.from(payload, "base64");
  if (bytes.toString("base64") !== payload) throw invalid("the payload is not standard base64 with padding");
  return bytes;
}

function parsePayload(bytes: Buffer): JsonValue {
  try {
    return readJson(bytes);
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw invalid(`the payload is not acceptable JSON: ${error.message}`);
    throw error;
  }
}

function quoted(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
}

export function invalid(reason: string): KbsError {
  return new KbsError("reference-value-invalid", `Reference value refused: ${reason}.`);
}
