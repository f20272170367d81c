/** TCB statuses in Intel's words, and how two of them become one (Intel DCAP quote verification library). */

/** Statuses that levels of TCB info and QE identities have. */
export const LEVEL_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
] as const;
export type LevelStatus = (typeof LEVEL_STATUSES)[number];

/** Statuses a verified platform can end with. `Revoked` is no such: it refuses. */
export const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "TDRelaunchAdvised",
  "TDRelaunchAdvisedConfigurationNeeded",
] as const;
export type TcbStatus = (typeof TCB_STATUSES)[number];
export type AnyStatus = TcbStatus | "Revoked";

const WHEN_OUT_OF_DATE: Readonly<Partial<Record<AnyStatus, AnyStatus>>> = {
  UpToDate: "OutOfDate",
  SWHardeningNeeded: "OutOfDate",
  ConfigurationNeeded: "OutOfDateConfigurationNeeded",
  ConfigurationAndSWHardeningNeeded: "OutOfDateConfigurationNeeded",
};

/** The status of a whole, when one of its parts (TDX module, quoting enclave) has a status of its own. */
export function converge(whole: AnyStatus, part: LevelStatus): AnyStatus {
  if (whole === "Revoked" || part === "Revoked") return "Revoked";
  return part === "OutOfDate" ? (WHEN_OUT_OF_DATE[whole] ?? whole) : whole;
}
