import { DCAP_CHECKS, type DcapCheck } from "../../formats/dcap/checks.ts";
import type { CheckDescription } from "../../trail.ts";

const SDM = "Intel SDM vol. 3D §38, REPORT";
const { "tdx-module": _tdxOnly, ...SHARED } = DCAP_CHECKS;

/** Every check on SGX evidence, in the order of trust. */
export const SGX_CHECKS = {
  ...SHARED,
  debug: { expected: "a production enclave (setting allowDebug)", source: `${SDM}, ATTRIBUTES.DEBUG` },
  attributes: { expected: "the attributes the settings ask for", source: `${SDM}, ATTRIBUTES` },
  "misc-select": { expected: "the MISCSELECT bits the settings ask for", source: `${SDM}, MISCSELECT` },
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type SgxCheck = keyof typeof SGX_CHECKS;
/** Names a trail of this driver can be asked for: those of every DCAP quote, whether they apply to enclaves or not. */
export type SgxTrailCheck = SgxCheck | DcapCheck;
