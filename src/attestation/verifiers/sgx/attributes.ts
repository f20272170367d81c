/** Flags of an enclave (Intel SDM vol. 3D §38.7.1, ATTRIBUTES), by the names of the manual. */
import type { SgxReport } from "../../formats/dcap/reports.ts";

export const SGX_ATTRIBUTES = {
  init: 1n << 0n,
  debug: 1n << 1n,
  mode64bit: 1n << 2n,
  "provision-key": 1n << 4n,
  "einittoken-key": 1n << 5n,
  cet: 1n << 6n,
  kss: 1n << 7n,
  "aex-notify": 1n << 10n,
} as const satisfies Readonly<Record<string, bigint>>;

export type SgxAttribute = keyof typeof SGX_ATTRIBUTES;

/** Little-endian u64 at 48 of the report. */
export function hasSgxAttribute({ attributesFlags }: SgxReport, name: SgxAttribute): boolean {
  return (attributesFlags.readBigUInt64LE(0) & SGX_ATTRIBUTES[name]) !== 0n;
}
