/** TEE names of the KBS protocol (kbs-types 0.18), as they stand on the wire after aliases are resolved. */
export const TEES = [
  "az-snp-vtpm",
  "az-tdx-vtpm",
  "cca",
  "csv",
  "hygondcu",
  "nvidia",
  "nvidia-dpu",
  "sample",
  "sampledevice",
  "se",
  "sgx",
  "snp",
  "tdx",
  "tpm",
] as const;
export type Tee = (typeof TEES)[number];

/** Spellings of earlier releases, still sent by deployed guests. */
const ALIASES: ReadonlyMap<string, Tee> = new Map([
  ["azsnpvtpm", "az-snp-vtpm"],
  ["aztdxvtpm", "az-tdx-vtpm"],
  ["nvidiadpu", "nvidia-dpu"],
]);

const BY_NAME: ReadonlyMap<string, Tee> = new Map([
  ...TEES.map((tee): [string, Tee] => [tee, tee]),
  ...ALIASES,
]);

/** @returns the TEE of that name or alias, `undefined` for any other text */
export function teeByName(name: unknown): Tee | undefined {
  return typeof name === "string" ? BY_NAME.get(name) : undefined;
}
