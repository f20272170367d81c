/** Windows' measurements: tagged structures within each other (SIPA events of wbcl.h). */
import { utf16Text } from "./efi.ts";

export interface SipaEvent {
  readonly type: number;
  readonly data: Buffer;
}

const HEADER_BYTES = 8;
const MAX_DEPTH = 4;
const MOST_EVENTS = 10_000;
const KIND_MASK = 0x000f0000;
const CONTAINER = 0x00010000;

/**
 * The structures without the containers around them.
 *
 * @returns undefined for data that is not of this kind: the outermost must be a container
 */
export function readSipaEvents(bytes: Buffer): SipaEvent[] | undefined {
  if (bytes.length < HEADER_BYTES || (bytes.readUInt32LE(0) & KIND_MASK) !== CONTAINER) return undefined;
  const events: SipaEvent[] = [];
  return collect(bytes, MAX_DEPTH, events) ? events : undefined;
}

function collect(bytes: Buffer, depth: number, events: SipaEvent[]): boolean {
  if (depth === 0) return false;
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES || events.length >= MOST_EVENTS) return false;
    const [type, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (size > bytes.length - at - HEADER_BYTES) return false;
    const data = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + size);
    if ((type & KIND_MASK) !== CONTAINER) events.push({ type, data });
    else if (!collect(data, depth - 1, events)) return false;
    at += HEADER_BYTES + size;
  }
  return true;
}

/** Claims with a yes or no, by type. */
export const SIPA_FLAGS: ReadonlyMap<number, string> = new Map([
  [0x00040001, "boot_debugging"],
  [0x00050001, "os_kernel_debug"],
  [0x00050002, "code_integrity"],
  [0x00050003, "test_signing"],
  [0x00050004, "data_execution_prevention"],
  [0x00050005, "safe_mode"],
  [0x000a0001, "vbs_vsm_required"],
  [0x000a0002, "vbs_secure_boot_required"],
  [0x000a0003, "vbs_iommu_required"],
  [0x000a0004, "vbs_nx_required"],
  [0x000a0005, "vbs_msr_filtering_required"],
  [0x000a0006, "vbs_mandatory_enforcement"],
  [0x000a0007, "vbs_hvci_policy"],
]);

/** Claims with a number. */
export const SIPA_NUMBERS: ReadonlyMap<number, string> = new Map([
  [0x00020002, "boot_counter"],
  [0x00020005, "bitlocker_unlock"],
  [0x00020006, "event_counter"],
  [0x0005000a, "hypervisor_launch_type"],
  [0x00050012, "vsm_launch_type"],
]);

export const SIPA_FILE_PATH = 0x00070001;
export const SIPA_AUTHENTICODE = 0x00070004;

/** A little-endian number of one, four or eight bytes; undefined for other sizes. */
export function sipaNumber(data: Buffer): bigint | undefined {
  if (data.length === 8) return data.readBigUInt64LE(0);
  if (data.length === 4) return BigInt(data.readUInt32LE(0));
  return data.length === 1 ? BigInt(data.readUInt8(0)) : undefined;
}

export function sipaText(data: Buffer): string {
  return utf16Text(data);
}
