/**
 * The report of Azure's paravisor (HCL, OpenHCL): a hardware report, and as variable data the JSON text that its
 * report data is the digest of. Integers are little-endian. Read from the vTPM's NV index 0x01400001.
 */
import { isZero } from "../../../crypto/bytes.ts";

/** What is wrong with a report, in one sentence part. */
export class HclReportError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "HclReportError";
  }
}

/** Type of the hardware report inside. */
export const HCL_REPORT_TYPE = { snp: 2, tdx: 4 } as const;
export type HardwareKind = keyof typeof HCL_REPORT_TYPE;

export interface HclReport {
  /** Version of the header: 1 or 2. */
  readonly version: number;
  /** 1184 bytes: an SNP report, or a TDREPORT of 1024 bytes followed by zeros. */
  readonly hardwareReport: Buffer;
  /** Exactly as hashed into the hardware report. */
  readonly variableData: Buffer;
}

/** Longest report; real ones have 2600 bytes. */
export const MAX_HCL_BYTES = 64 * 1024;

const SIGNATURE = "HCLA";
const HARDWARE_AT = 32;
const RUNTIME_AT = 1216;
const VARIABLE_AT = 1236;
const HASH_SHA256 = 1;

/** @throws HclReportError */
export function readHclReport(bytes: Buffer, kind: HardwareKind): HclReport {
  if (bytes.length < VARIABLE_AT || bytes.length > MAX_HCL_BYTES)
    throw new HclReportError(`${bytes.length} bytes, ${VARIABLE_AT} to ${MAX_HCL_BYTES} are possible`);
  const signature = bytes.toString("latin1", 0, 4);
  if (signature !== SIGNATURE) throw new HclReportError("it does not begin with HCLA");
  const version = bytes.readUInt32LE(4);
  if (version !== 1 && version !== 2)
    throw new HclReportError(`header version ${version}, known are 1 and 2`);
  const type = bytes.readUInt32LE(RUNTIME_AT + 8);
  if (type !== HCL_REPORT_TYPE[kind])
    throw new HclReportError(`report type ${type}, ${HCL_REPORT_TYPE[kind]} is expected`);
  const hash = bytes.readUInt32LE(RUNTIME_AT + 12);
  if (hash !== HASH_SHA256) throw new HclReportError(`hash type ${hash}, only 1 (SHA-256) is known`);
  return {
    version,
    hardwareReport: bytes.subarray(HARDWARE_AT, RUNTIME_AT),
    variableData: readVariableData(bytes),
  };
}

/** Three fields state the size, each with other headers included; they have to agree with each other and the bytes. */
function readVariableData(bytes: Buffer): Buffer {
  const size = bytes.readUInt32LE(RUNTIME_AT + 16);
  const end = VARIABLE_AT + size;
  if (size === 0 || end > bytes.length)
    throw new HclReportError(`variable data of ${size} bytes in a report of ${bytes.length}`);
  if (bytes.readUInt32LE(8) !== end || bytes.readUInt32LE(RUNTIME_AT) !== VARIABLE_AT - RUNTIME_AT + size)
    throw new HclReportError("sizes that do not agree");
  if (!isZero(bytes.subarray(end))) throw new HclReportError("bytes after the variable data");
  return bytes.subarray(VARIABLE_AT, end);
}
