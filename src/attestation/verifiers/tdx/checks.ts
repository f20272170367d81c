import { DCAP_CHECKS } from "../../formats/dcap/checks.ts";
import { TD_CHECKS } from "../../formats/dcap/td-checks.ts";
import type { CheckDescription } from "../../trail.ts";

/** Every check on TDX evidence, in the order of trust. */
export const TDX_CHECKS = {
  ...DCAP_CHECKS,
  "event-log": {
    expected: "an event log, if there is one, that replays to all four run-time registers",
    source: "UEFI 2.10 §38.4.1; Intel TDX module ABI 1.5, RTMR",
  },
  ...TD_CHECKS,
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type TdxCheck = keyof typeof TDX_CHECKS;
