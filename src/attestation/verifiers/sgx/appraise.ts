/** What an operator demands of a genuine enclave: each setting is one named check. */
import { toHex } from "../../../crypto/bytes.ts";
import type { SgxReport } from "../../formats/dcap/reports.ts";
import type { Trail } from "../../trail.ts";
import { hasSgxAttribute } from "./attributes.ts";
import type { SgxTrailCheck } from "./checks.ts";
import type { SgxSettings } from "./settings.ts";

/** @throws EvidenceRejected naming the first setting that the enclave does not meet */
export function appraiseEnclave(trail: Trail<SgxTrailCheck>, report: SgxReport, settings: SgxSettings): void {
  const debug = hasSgxAttribute(report, "debug");
  const allowed = debug && settings.allowDebug ? ", which the settings allow" : "";
  trail.require("debug", !debug || settings.allowDebug, `debugging ${debug ? "on" : "off"}${allowed}`);
  const missing = settings.requiredAttributes.filter((name) => !hasSgxAttribute(report, name));
  const excess = settings.forbiddenAttributes.filter((name) => hasSgxAttribute(report, name));
  const wrong = [...missing.map((name) => `${name} off`), ...excess.map((name) => `${name} on`)];
  trail.require("attributes", wrong.length === 0, wrong.join(", ") || toHex(report.attributesFlags));
  const select = report.miscSelect.readUInt32LE(0);
  const mask = settings.allowedMiscSelect ?? 0xffff_ffff;
  trail.require("misc-select", (select & ~mask) === 0, `0x${select.toString(16)}`);
}
