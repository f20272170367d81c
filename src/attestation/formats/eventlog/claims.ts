/** Claims about a log whose registers were compared with signed ones. */

import { toHex } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { hashOf, isAvailable } from "./algorithms.ts";
import { isBound } from "./bound-data.ts";
import type { ReplayReport } from "./check-replay.ts";
import { eventDetails } from "./details.ts";
import type { EventLog, LogEvent } from "./event-log.ts";
import { logFacts } from "./facts/index.ts";
import { eventMeaning } from "./meaning.ts";

/** `full`: every event and the facts; `facts`: what policies usually ask; `none`: only how the registers compared. */
export type ClaimsDetail = "full" | "facts" | "none";

export interface EventClaimsOptions {
  readonly detail?: ClaimsDetail;
}

/** From this size of all events on, long event data is replaced by its digest. */
const MOST_CLAIM_BYTES = 1024 * 1024;
const LONG_DATA_BYTES = 64 * 1024;

/**
 * Claims `uefi_event_logs` (every event, as policies of the field read it) and `eventlog` (what the events mean). Facts
 * come only from events that the signed registers cover and whose digest is that of their data; what is not so, the
 * list says: `covered`, `bound`.
 */
export function eventClaims(
  log: EventLog,
  report: ReplayReport,
  options: EventClaimsOptions = {},
): JsonObject {
  const detail = options.detail ?? "full";
  const eventlog: JsonObject = {
    formats: formatsOf(log),
    algorithm: report.algorithm,
    replayed: Object.fromEntries([...report.states].map(([register, state]) => [String(register), state])),
    ...(detail === "none" ? {} : logFacts(log, report)),
  };
  return detail === "full" ? { uefi_event_logs: eventList(log, report), eventlog } : { eventlog };
}

function formatsOf(log: EventLog): string[] {
  const formats: string[] = [log.format];
  for (const event of log) if (eventDetails(event)["unicode_name"] === "AAEL") return [...formats, "aael"];
  return formats;
}

/** One object per event, in log order. */
export function eventList(log: EventLog, report: ReplayReport): JsonValue[] {
  const shorten = log.consumed > MOST_CLAIM_BYTES;
  return [...log].map((event) => eventClaim(event, report, shorten));
}

function eventClaim(event: LogEvent, report: ReplayReport, shorten: boolean): JsonObject {
  const covered = report.covers(event);
  return {
    index: event.register,
    type_name: event.typeName,
    digest_matches_event: event.digests.length > 0 && event.digests.every((digest) => matches(event, digest)),
    digests: event.digests.map(({ algorithm, value }) => ({
      alg: hashOf(algorithm).claimName,
      digest: toHex(value),
    })),
    ...(shorten && event.data.length > LONG_DATA_BYTES
      ? { event_sha256: digestHex("sha256", event.data) }
      : { event: event.data.toString("base64") }),
    details: eventDetails(event),
    covered,
    bound: covered && isBound(event, report.algorithm),
    meaning: eventMeaning(event),
  };
}

function matches(event: LogEvent, { algorithm, value }: LogEvent["digests"][number]): boolean {
  return isAvailable(algorithm) && digestHex(algorithm, event.data) === toHex(value);
}
