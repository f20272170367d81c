/** What an operator demands of a genuine TD: each setting is one named check. */
import { isZero, toHex } from "../../../crypto/bytes.ts";
import type { Trail } from "../../trail.ts";
import type { TdReport } from "./reports.ts";
import { hasTdAttribute, isUnderDebug, TD_ATTRIBUTES, tdAttributes } from "./td-attributes.ts";
import type { TdCheck } from "./td-checks.ts";
import type { TdDemands } from "./td-demands.ts";

type TdTrail = Trail<TdCheck>;

/** @throws EvidenceRejected naming the first setting that the TD does not meet */
export function appraiseTd(trail: TdTrail, report: TdReport, settings: TdDemands): void {
  checkDebug(trail, report, settings);
  checkAttributes(trail, report, settings);
  checkXfam(trail, report, settings);
  checkServiceTd(trail, report, settings);
  const mrSeam = toHex(report.mrSeam);
  trail.require("mr-seam", settings.allowedMrSeams?.includes(mrSeam) ?? true, mrSeam);
}

function checkDebug(trail: TdTrail, report: TdReport, { allowDebug }: TdDemands): void {
  const attributes = tdAttributes(report);
  const debug = isUnderDebug(attributes);
  const low = `TUD bits 0x${(attributes & 0xffn).toString(16)}`;
  trail.require(
    "debug",
    !debug || allowDebug,
    debug && allowDebug ? `${low}, which the settings allow` : low,
  );
}

function checkAttributes(trail: TdTrail, report: TdReport, settings: TdDemands): void {
  const word = tdAttributes(report);
  const missing = settings.requiredTdAttributes.filter((name) => !hasTdAttribute(word, TD_ATTRIBUTES[name]));
  const excess = settings.forbiddenTdAttributes.filter((name) => hasTdAttribute(word, TD_ATTRIBUTES[name]));
  const wrong = [...missing.map((name) => `${name} off`), ...excess.map((name) => `${name} on`)];
  trail.require("td-attributes", wrong.length === 0, wrong.join(", ") || `0x${word.toString(16)}`);
}

function checkXfam(trail: TdTrail, report: TdReport, settings: TdDemands): void {
  const word = report.xfam.readBigUInt64LE(0);
  const missing = (settings.requiredXfam ?? 0n) & ~word;
  const excess = (settings.forbiddenXfam ?? 0n) & word;
  const seen = `0x${word.toString(16)}`;
  trail.require("xfam", missing === 0n && excess === 0n, seen);
}

/** A service TD may change what runs in the TD, so its measurement is part of what is trusted. */
function checkServiceTd(trail: TdTrail, { td15 }: TdReport, settings: TdDemands): void {
  if (td15 === undefined || isZero(td15.mrServiceTd)) {
    trail.passed("service-td", "none");
    return;
  }
  const bound = toHex(td15.mrServiceTd);
  const allowed = settings.allowServiceTd || (settings.allowedServiceTds?.includes(bound) ?? false);
  trail.require("service-td", allowed, bound);
}
