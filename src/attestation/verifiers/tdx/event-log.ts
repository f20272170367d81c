/** Event logs against the run-time registers of a quote that was verified. */
import { equalBytes, isZero, toHex } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import type { TdReport } from "../../formats/dcap/reports.ts";
import {
  ccelRegisters,
  checkReplay,
  type EventLog,
  EventLogError,
  eventClaims,
  parseEventLog,
  type ReplayReport,
} from "../../formats/eventlog/index.ts";
import type { Trail } from "../../trail.ts";
import { readAgentLog } from "./agent-log.ts";
import type { TdxCheck } from "./checks.ts";
import { type CarriedLog, MAX_LOG_BYTES, type TdxEvidence } from "./evidence.ts";
import type { TdxSettings } from "./settings.ts";

type TdxTrail = Trail<TdxCheck>;

/**
 * All four registers are compared with the log, so that no register's events can be left out: one without events has
 * to be zero. An agent's own log (older guests) explains RTMR3 in the place of the firmware's.
 *
 * @returns claims of the logs; none without a log
 * @throws EvidenceRejected `event-log`
 */
export function checkEventLogs(
  trail: TdxTrail,
  evidence: TdxEvidence,
  report: TdReport,
  settings: TdxSettings,
): JsonObject {
  const { ccEventLog, aaEventLog } = evidence;
  if (ccEventLog === undefined && aaEventLog === undefined) {
    if (settings.requireEventLog) throw trail.failed("event-log", "no event log (setting requireEventLog)");
    trail.notChecked("event-log", "the evidence has no event log");
    return {};
  }
  const agentClaims = aaEventLog === undefined ? {} : checkAgentLog(trail, aaEventLog, report);
  const rtmrs = [report.rtmr0, report.rtmr1, report.rtmr2, report.rtmr3];
  const explained = aaEventLog === undefined ? rtmrs : rtmrs.slice(0, 3);
  if (ccEventLog === undefined) {
    requireZero(trail, explained);
    trail.passed("event-log", "the agent's log explains RTMR3");
    return agentClaims;
  }
  const log = parse(trail, ccEventLog);
  const replayed = checkReplay(log, ccelRegisters(explained), "sha384", { kind: "cc" });
  checkMatches(trail, replayed, settings);
  checkCovered(trail, log, replayed);
  trail.passed("event-log", `${log.count} events replay to the registers`);
  return { ...eventClaims(log, replayed, { detail: settings.eventLogClaims }), ...agentClaims };
}

function parse(trail: TdxTrail, carried: CarriedLog): EventLog {
  if ("fault" in carried) throw trail.failed("event-log", carried.fault);
  try {
    return parseEventLog(carried.bytes, { maxBytes: MAX_LOG_BYTES });
  } catch (error) {
    if (error instanceof EventLogError)
      throw trail.failed("event-log", `a malformed log: ${error.message}`, undefined, error);
    throw error;
  }
}

function checkMatches(trail: TdxTrail, { mismatches, faults }: ReplayReport, settings: TdxSettings): void {
  const [mismatch] = mismatches;
  if (mismatch !== undefined) {
    const register = `RTMR${mismatch.register - 1}`;
    throw trail.failed("event-log", `${register} is ${toHex(mismatch.expected)}; ${mismatch.reason}`);
  }
  const [fault] = faults;
  if (fault !== undefined && settings.refuseContradictedEvents)
    throw trail.failed("event-log", `${fault.reason} (setting refuseContradictedEvents)`);
}

/**
 * An event that no register of the quote vouches for would stand among the claims all the same, and policies of the field
 * do not ask. No firmware writes one: MRTD is closed before it runs, and there are no further registers.
 */
function checkCovered(trail: TdxTrail, log: EventLog, { covers }: ReplayReport): void {
  for (const event of log)
    if (event.extends && !covers(event))
      throw trail.failed(
        "event-log",
        `event ${event.index} is of register ${event.register}, for which nothing in the quote vouches`,
      );
}

function checkAgentLog(
  trail: TdxTrail,
  carried: NonNullable<TdxEvidence["aaEventLog"]>,
  { rtmr3 }: TdReport,
): JsonObject {
  const log = "fault" in carried ? carried.fault : readAgentLog(carried.text);
  if (typeof log === "string") throw trail.failed("event-log", log);
  if (!equalBytes(log.register, rtmr3))
    throw trail.failed("event-log", `RTMR3 is ${toHex(rtmr3)}; the agent's log gives ${toHex(log.register)}`);
  return { aa_eventlog: log.events };
}

function requireZero(trail: TdxTrail, registers: readonly Buffer[]): void {
  const used = registers.findIndex((register) => !isZero(register));
  if (used !== -1)
    throw trail.failed("event-log", `RTMR${used} is not zero, and the log of the agent does not explain it`);
}
