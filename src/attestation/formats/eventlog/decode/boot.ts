/** Boot variables (UEFI 2.10 §3.1.3), partition tables (§5.3) and version texts. */
import { LogCursor } from "../cursor.ts";
import { EventLogError } from "../event-log.ts";
import { devicePathTexts } from "./device-path.ts";
import { guidText, readGuid, utf16Text } from "./efi.ts";

export interface LoadOption {
  readonly description: string;
  readonly active: boolean;
  readonly path: readonly string[];
}

/** Numbers of BootOrder as they stand in variable names, `0003` say. */
export function readBootOrder(data: Buffer): string[] | undefined {
  if (data.length % 2 !== 0) return undefined;
  return Array.from({ length: data.length / 2 }, (_, i) =>
    data
      .readUInt16LE(2 * i)
      .toString(16)
      .toUpperCase()
      .padStart(4, "0"),
  );
}

const LOAD_OPTION_ACTIVE = 1;

/** EFI_LOAD_OPTION; undefined for data that is none. */
export function readLoadOption(data: Buffer): LoadOption | undefined {
  if (data.length < 8) return undefined;
  const pathLength = data.readUInt16LE(4);
  const description = utf16Text(data.subarray(6));
  const start = 6 + 2 * (description.length + 1);
  if (start + pathLength > data.length) return undefined;
  return {
    description,
    active: (data.readUInt32LE(0) & LOAD_OPTION_ACTIVE) !== 0,
    path: devicePathTexts(data.subarray(start, start + pathLength)) ?? [],
  };
}

export interface Partition {
  readonly type: string;
  readonly guid: string;
  readonly firstLba: bigint;
  readonly lastLba: bigint;
  readonly name: string;
}

export interface PartitionTable {
  readonly diskGuid: string;
  readonly partitions: readonly Partition[];
}

const GPT_HEADER_BYTES = 92;
const DISK_GUID_AT = 56;
const ENTRY_BYTES = 128;
const MOST_PARTITIONS = 256;

/** UEFI_GPT_DATA: the header, the number of partitions, their entries. */
export function readPartitionTable(data: Buffer): PartitionTable | undefined {
  try {
    const cursor = new LogCursor(data);
    const header = cursor.take(GPT_HEADER_BYTES, "a GPT header");
    const count = cursor.u64("the number of partitions");
    if (header.toString("latin1", 0, 8) !== "EFI PART" || count > MOST_PARTITIONS) return undefined;
    const partitions = Array.from({ length: Number(count) }, () => readPartition(cursor));
    return { diskGuid: guidText(header.subarray(DISK_GUID_AT, DISK_GUID_AT + 16)), partitions };
  } catch (error) {
    if (error instanceof EventLogError) return undefined;
    throw error;
  }
}

function readPartition(cursor: LogCursor): Partition {
  const entry = new LogCursor(cursor.take(ENTRY_BYTES, "a partition"));
  const [type, guid] = [readGuid(entry, "a partition type"), readGuid(entry, "a partition GUID")];
  const [firstLba, lastLba] = [entry.u64("a first block"), entry.u64("a last block")];
  entry.skip(8, "attributes");
  return { type, guid, firstLba, lastLba, name: utf16Text(entry.take(72, "a name")) };
}

/** EV_S_CRTM_VERSION: a GUID, or text in UTF-16. */
export function versionText(data: Buffer): string {
  return data.length === 16 && data[1] !== 0 ? guidText(data) : utf16Text(data);
}
