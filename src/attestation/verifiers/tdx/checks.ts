import { DCAP_CHECKS } from "../../formats/dcap/checks.ts";
import type { CheckDescription } from "../../trail.ts";

const MODULE = "Intel TDX module ABI 1.5";

/** Every check on TDX evidence, in the order of trust. */
export const TDX_CHECKS = {
  ...DCAP_CHECKS,
  "event-log": {
    expected: "an event log, if there is one, that replays to all four run-time registers",
    source: "UEFI 2.10 §38.4.1; Intel TDX module ABI 1.5, RTMR",
  },
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

export type TdxCheck = keyof typeof TDX_CHECKS;
