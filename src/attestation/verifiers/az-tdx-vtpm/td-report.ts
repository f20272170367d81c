/**
 * The TDREPORT that the quote was made from (Intel TDX module ABI 1.5, TDREPORT_STRUCT). Its MAC means something on its
 * own machine only, so nothing is believed because it stands here: it has to say what the quote says.
 */
import { equalBytes } from "../../../crypto/bytes.ts";
import type { TdReport } from "../../formats/dcap/reports.ts";

const TEE_TYPE_TDX = 0x81;

/** Offset in the TDREPORT of each field that the quote's body repeats. */
const FIELDS: readonly (readonly [name: Exclude<keyof TdReport, "td15">, at: number])[] = [
  ["reportData", 128],
  ["teeTcbSvn", 264],
  ["mrSeam", 280],
  ["tdAttributes", 512],
  ["xfam", 520],
  ["mrTd", 528],
  ["mrConfigId", 576],
  ["mrOwner", 624],
  ["mrOwnerConfig", 672],
  ["rtmr0", 720],
  ["rtmr1", 768],
  ["rtmr2", 816],
  ["rtmr3", 864],
];

/**
 * @param bytes - 1024 bytes or more
 * @returns name of the first thing that differs from the quote; undefined when nothing does
 */
export function tdReportMismatch(bytes: Buffer, quoted: TdReport): string | undefined {
  if (bytes[0] !== TEE_TYPE_TDX) return `report type 0x${(bytes[0] ?? 0).toString(16)}`;
  return FIELDS.find(([name, at]) => {
    const field = quoted[name];
    return !equalBytes(bytes.subarray(at, at + field.length), field);
  })?.[0];
}
