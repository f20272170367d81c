import type { CheckDescription } from "../../trail.ts";

const MODULE = "Intel TDX module ABI 1.5";

/** What an operator may demand of a TD, whatever evidence its quote comes in. */
export const TD_CHECKS = {
  debug: {
    expected: "no bit of the TUD group set (setting allowDebug)",
    source: `${MODULE}, TD_ATTRIBUTES`,
  },
  "td-attributes": { expected: "the attributes the settings ask for", source: `${MODULE}, TD_ATTRIBUTES` },
  xfam: { expected: "the extended features the settings ask for", source: `${MODULE}, XFAM` },
  "service-td": {
    expected: "no service TD bound (settings allowServiceTd, allowedServiceTds)",
    source: `${MODULE}, MR_SERVICETD`,
  },
  "mr-seam": { expected: "a TDX module the settings allow", source: "operator settings" },
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type TdCheck = keyof typeof TD_CHECKS;
