/**
 * `details` of an event as policies of the field read them. Nothing here says that the data is true: see `isBound`.
 */
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { devicePathTexts } from "./decode/device-path.ts";
import { utf8Text, utf16Whole } from "./decode/efi.ts";
import { AAEL_TAG, readAgentEvent, readTag } from "./decode/tag.ts";
import { readVariable } from "./decode/variable.ts";
import type { LogEvent } from "./event-log.ts";
import { EV } from "./event-types.ts";

type Decoder = (data: Buffer) => JsonObject;

const DECODERS: ReadonlyMap<number, Decoder> = new Map([
  [EV.postCode, textDetails],
  [EV.action, textDetails],
  [EV.compactHash, textDetails],
  [EV.omitBootDeviceEvents, textDetails],
  [EV.efiAction, textDetails],
  [EV.eventTag, tagDetails],
  [EV.platformConfigFlags, flagsDetails],
  [EV.ipl, iplDetails],
  [EV.efiVariableDriverConfig, variableDetails],
  [EV.efiVariableBoot, variableDetails],
  [EV.efiVariableBoot2, variableDetails],
  [EV.efiVariableAuthority, variableDetails],
  [EV.efiBootServicesApplication, imageDetails],
  [EV.efiFirmwareBlob2, descriptionDetails],
  [EV.efiHandoffTables2, descriptionDetails],
]);

/** Always an object; empty for types without decoder and for data that a decoder cannot read. */
export function eventDetails(event: LogEvent): JsonObject {
  if (event.kind !== "pcclient") return {};
  return DECODERS.get(event.type)?.(event.data) ?? {};
}

function textDetails(data: Buffer): JsonObject {
  const string = utf8Text(data);
  return string === undefined ? {} : { string };
}

function tagDetails(data: Buffer): JsonObject {
  const tag = readTag(data);
  if (tag === undefined) return {};
  const string = tag.data.toString("utf8").replaceAll("\0", "");
  if (tag.id !== AAEL_TAG) return { string };
  const agent = readAgentEvent(data);
  if (agent === undefined) return { string };
  const { domain, operation, content } = agent;
  return { string, unicode_name: "AAEL", data: { domain, operation, content } };
}

/** td-shim pads and separates with control characters; one of them, U+0010, reads as a blank. */
function flagsDetails(data: Buffer): JsonObject {
  const text = utf8Text(data) ?? "";
  return { string: text.replaceAll("\u0010", " ").replace(/\p{Cc}/gu, "") };
}

const MINIMUM_IPL_BYTES = 2;

function iplDetails(data: Buffer): JsonObject {
  if (data.length < MINIMUM_IPL_BYTES) return {};
  // A section name of a unified kernel image; two bytes of terminator are cut whatever they are.
  if (data[0] === 0x2e && data[1] === 0) {
    if (data.length % 2 !== 0) return {};
    return { string: utf16Whole(data.subarray(2, Math.max(2, data.length - 2))) };
  }
  const end = data.indexOf(0);
  return { string: utf8Text(end < 0 ? data : data.subarray(0, end)) ?? data.toString("hex") };
}

function variableDetails(data: Buffer): JsonObject {
  const variable = readVariable(data);
  if (variable === undefined) return {};
  return {
    unicode_name: variable.name,
    unicode_name_length: variable.nameLength,
    variable_data: variable.data.toString("base64"),
    variable_data_length: variable.data.length,
    variable_name: variable.guidBytes,
    variable_guid: variable.guid,
  };
}

/** UEFI_IMAGE_LOAD_EVENT: address, length and link-time address of the image before the device path and its length. */
const IMAGE_HEADER_BYTES = 32;

/** The device path of a loaded image; undefined where there is none, or none that can be read. */
export function imagePath(data: Buffer): readonly string[] | undefined {
  if (data.length < IMAGE_HEADER_BYTES) return undefined;
  const length = data.readBigUInt64LE(24);
  if (length === 0n || length > BigInt(data.length - IMAGE_HEADER_BYTES)) return undefined;
  return devicePathTexts(data.subarray(IMAGE_HEADER_BYTES, IMAGE_HEADER_BYTES + Number(length)));
}

function imageDetails(data: Buffer): JsonObject {
  const paths: JsonValue | undefined = imagePath(data);
  return paths === undefined ? {} : { device_paths: paths };
}

/** A counted description; the count includes a terminator, so one byte less is text. */
function descriptionDetails(data: Buffer): JsonObject {
  const length = data[0];
  if (length === undefined) return {};
  const string = utf8Text(data.subarray(1, Math.max(1, length)));
  return string === undefined ? {} : { string };
}
