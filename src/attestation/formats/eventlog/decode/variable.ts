import { LogCursor } from "../cursor.ts";
import { EventLogError } from "../event-log.ts";
import { guidBytesText, guidText, utf16Whole } from "./efi.ts";

/** UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile §10.2.6). */
export interface EfiVariable {
  readonly guid: string;
  /** The GUID with its bytes in memory order, as policies of the field know it. */
  readonly guidBytes: string;
  readonly name: string;
  /** UTF-16 code units. */
  readonly nameLength: number;
  readonly data: Buffer;
}

export const GLOBAL_VARIABLE = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
export const IMAGE_SECURITY_DATABASE = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
export const SHIM_LOCK = "605dab50-e046-4300-abb6-3dd810dd8b23";

/** Longest name worth reading; real ones have under a hundred characters. */
const MAX_NAME_UNITS = 4096;

/** @returns undefined for data that is no such structure */
export function readVariable(bytes: Buffer): EfiVariable | undefined {
  try {
    return parseVariable(new LogCursor(bytes));
  } catch (error) {
    if (error instanceof EventLogError) return undefined;
    throw error;
  }
}

function parseVariable(cursor: LogCursor): EfiVariable {
  const guid = cursor.take(16, "a GUID");
  const nameLength = cursor.u64("the length of a name");
  const dataLength = cursor.u64("the length of a variable");
  if (nameLength > MAX_NAME_UNITS) throw cursor.fault("a variable's name is too long");
  if (dataLength > cursor.left) throw cursor.fault("a variable is longer than its event");
  const name = utf16Whole(cursor.take(2 * Number(nameLength), "a variable's name"));
  const data = cursor.take(Number(dataLength), "a variable's data");
  return { guid: guidText(guid), guidBytes: guidBytesText(guid), name, nameLength: Number(nameLength), data };
}
