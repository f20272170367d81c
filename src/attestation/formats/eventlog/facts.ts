import type { JsonObject } from "../../../json/value.ts";
import type { ReplayReport } from "./check-replay.ts";
import type { EventLog } from "./event-log.ts";
import { isKnownType } from "./event-types.ts";

/** What policies usually want to know, from covered and bound events only. */
export function logFacts(log: EventLog, report: ReplayReport): JsonObject {
  const unknown = new Set<number>();
  for (const event of log)
    if (event.kind === "pcclient" && report.covers(event) && !isKnownType(event.type))
      unknown.add(event.type);
  return { unknown_types: [...unknown] };
}
