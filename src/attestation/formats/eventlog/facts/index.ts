import type { JsonObject } from "../../../../json/value.ts";
import { isBound } from "../bound-data.ts";
import type { ReplayReport } from "../check-replay.ts";
import type { EventLog } from "../event-log.ts";
import { digestFor } from "../replay.ts";
import { isSeparatorDigest } from "../separators.ts";
import { BootPathFacts } from "./boot-path.ts";
import type { FactCollector } from "./collector.ts";
import { PlatformFacts } from "./platform.ts";
import { SecureBootFacts } from "./secure-boot.ts";
import { AgentFacts, ConfidentialSpaceFacts, UkiFacts, WindowsFacts } from "./software.ts";

/** What policies usually want to know, from events that the signed registers cover, and from no other. */
export function logFacts(log: EventLog, report: ReplayReport): JsonObject {
  const collectors: readonly FactCollector[] = [
    new PlatformFacts(),
    new SecureBootFacts(),
    new BootPathFacts(),
    new UkiFacts(),
    new AgentFacts(),
    new ConfidentialSpaceFacts(),
    new WindowsFacts(),
  ];
  const separated = new Set<number>();
  for (const event of log) {
    const digest = report.covers(event) ? digestFor(event, report.algorithm) : undefined;
    if (digest === undefined) continue;
    const hex = digest.toString("hex");
    const covered = {
      event,
      bound: isBound(event, report.algorithm),
      digest: hex,
      kind: report.kind,
      afterSeparator: separated.has(event.register),
      isSeparator: isSeparatorDigest(hex, report.algorithm),
      algorithm: report.algorithm,
    };
    for (const collector of collectors) collector.add(covered);
    if (covered.isSeparator) separated.add(event.register);
  }
  return Object.assign({}, ...collectors.map((collector) => collector.facts()), {
    ...(log.startupLocality !== undefined && report.states.get(0) === "match"
      ? { startup_locality: log.startupLocality }
      : {}),
    ...(log.notes.length === 0 ? {} : { notes: log.notes }),
  });
}
