/** TD attributes (Intel TDX module ABI 1.5, TD_ATTRIBUTES) by the names of the manual. */
import type { TdReport } from "./reports.ts";

export const TD_ATTRIBUTES = {
  debug: 1n << 0n,
  "hgs-plus-prof": 1n << 4n,
  "perf-prof": 1n << 5n,
  "pmt-prof": 1n << 6n,
  icssd: 1n << 16n,
  "servtd-ext": 1n << 17n,
  lass: 1n << 27n,
  "septve-disable": 1n << 28n,
  migratable: 1n << 29n,
  pks: 1n << 30n,
  kl: 1n << 31n,
  tpa: 1n << 62n,
  perfmon: 1n << 63n,
} as const satisfies Readonly<Record<string, bigint>>;

export type TdAttribute = keyof typeof TD_ATTRIBUTES;

/** The TUD group: any of these bits, known or not, and the TD is not to be trusted ("TD under debug"). */
const UNDER_DEBUG = 0xffn;

/** Little-endian u64 at 120 of the TD report. */
export function tdAttributes(report: TdReport): bigint {
  return report.tdAttributes.readBigUInt64LE(0);
}

export function hasTdAttribute(attributes: bigint, bit: bigint): boolean {
  return (attributes & bit) !== 0n;
}

/** Whether any bit is set that lets somebody look into the TD or measure what it does. */
export function isUnderDebug(attributes: bigint): boolean {
  return (attributes & UNDER_DEBUG) !== 0n;
}
