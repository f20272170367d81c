/** Tells the forms of event logs apart by their first bytes, and reads whichever it is. */
import { asBuffer } from "../../../crypto/bytes.ts";
import { parseCelCbor } from "../cel/cbor.ts";
import { parseCelJson } from "../cel/json.ts";
import { isBlank, skipBlanks } from "../cel/json-values.ts";
import { eventLogOf, isCollection, readKeylimeCollection, readPrototypeLog } from "../cel/keylime.ts";
import { REGISTER_KINDS } from "../cel/record.ts";
import { parseCelTlv } from "../cel/tlv.ts";
import { checkLength, type EventLog, EventLogError, type LogLimits } from "./event-log.ts";
import { parseTcgLog } from "./tcg.ts";

export type DetectedFormat = "tcg" | "cel-tlv" | "cel-json" | "cel-cbor" | "ima-ascii" | "ima-binary";

/** Firmware logs have no mark of their own: they are what is left. */
export function detectFormat(bytes: Uint8Array): DetectedFormat {
  const all = asBuffer(bytes);
  if (isImaBinary(all)) return "ima-binary";
  if (isCelTlv(all)) return "cel-tlv";
  const [first = 0] = all;
  if (isCbor(all)) return "cel-cbor";
  const text = isBlank(first) ? all.subarray(skipBlanks(all, 0)) : all;
  if (text[0] === 0x5b || text[0] === 0x7b) return "cel-json";
  return /^\d{1,2} [0-9a-f]{40}/i.test(text.toString("latin1", 0, 64)) ? "ima-ascii" : "tcg";
}

/**
 * A record number of one to eight bytes, then a register of one to four. An older firmware log may begin with the same five
 * bytes, but a digest follows there.
 */
function isCelTlv(bytes: Buffer): boolean {
  if (bytes.length < 6 || bytes.readUInt32BE(0) !== 0) return false;
  const length = bytes.readUInt8(4);
  const register = 5 + length;
  if (length < 1 || length > 8 || bytes.length < register + 5) return false;
  const registerLength = bytes.readUInt32BE(register + 1);
  return REGISTER_KINDS.has(bytes.readUInt8(register)) && registerLength >= 1 && registerLength <= 4;
}

/** Arrays and maps. A firmware log that began so would name register 128 or above. */
function isCbor(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  return first >= 0x80 && first <= 0xbf;
}

/** Register, template digest of some length, and a template whose name begins with `ima` (or is `evm-sig`). */
function isImaBinary(bytes: Buffer): boolean {
  return [20, 32, 48, 64].some((size) => {
    const at = 4 + size;
    if (bytes.length < at + 7 || bytes.readUInt32LE(0) > 23) return false;
    const name = bytes.toString("latin1", at + 4, at + 7);
    return bytes.readUInt32LE(at) <= 16 && (name === "ima" || name === "evm");
  });
}

/**
 * Reads a log of any known form but IMA's lists, which `parseImaLog` reads.
 *
 * @throws EventLogError
 */
export function parseEventLog(bytes: Uint8Array, limits: LogLimits = {}): EventLog {
  checkLength(bytes, limits);
  switch (detectFormat(bytes)) {
    case "cel-json":
      return isCollection(bytes) ? parseCollection(bytes, limits) : parseCelJson(bytes, limits);
    case "cel-tlv":
      return parseTlv(bytes, limits);
    case "cel-cbor":
      return parseCelCbor(bytes, limits);
    case "tcg":
      return parseTcgLog(bytes, limits);
    default:
      throw new EventLogError("a list of IMA, not an event log,", 0);
  }
}

function parseCollection(bytes: Uint8Array, limits: LogLimits): EventLog {
  const log = eventLogOf(readKeylimeCollection(bytes, limits));
  if (isCollection(log)) throw new EventLogError("a collection in a collection", 0);
  return parseEventLog(log, limits);
}

function parseTlv(bytes: Uint8Array, limits: LogLimits): EventLog {
  const prototype = readPrototypeLog(bytes);
  if (prototype === undefined) return parseCelTlv(bytes, limits);
  const note = `${prototype.unattestedRecords} IMA records in a form that nothing vouches for were left out`;
  return parseTcgLog(prototype.bootLog, limits).withNote(note);
}
