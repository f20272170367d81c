/** The event log of a machine with a TPM, against the PCRs that its quote covers. */
import { equalBytes } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import {
  checkReplay,
  type EventLog,
  EventLogError,
  eventClaims,
  parseEventLog,
  type ReplayReport,
} from "../../formats/eventlog/index.ts";
import { initialValue } from "../../formats/eventlog/replay.ts";
import { HASH_NAMES, type HashName } from "../../formats/tpm2/algorithms.ts";
import type { PcrValues } from "../../formats/tpm2/pcrs.ts";
import { INIT_DATA_PCR } from "../../formats/tpm2/quote-checks.ts";
import type { Trail } from "../../trail.ts";
import type { TpmCheck } from "./checks.ts";
import type { TpmEvidence } from "./evidence.ts";
import type { TpmSettings } from "./settings.ts";

type TpmTrail = Trail<TpmCheck>;

/** Claims come from the first of these banks that quote and log share. */
const PREFERRED: readonly HashName[] = ["sha256", "sha384", "sha512", "sha1"];

/**
 * Replays the log in every bank that it shares with the quote.
 *
 * @param initDataChecked - whether PCR 8 is known to hold the init-data, which no log tells of
 * @returns claims about the log; none without a log
 * @throws EvidenceRejected `event-log`, naming the event at which log and register part
 */
export function checkEventLog(
  trail: TpmTrail,
  { eventLog }: Pick<TpmEvidence, "eventLog">,
  values: PcrValues,
  settings: TpmSettings,
  initDataChecked: boolean,
): JsonObject {
  if (eventLog === undefined) {
    if (settings.requireEventLog) throw trail.failed("event-log", "no event log, which the settings require");
    trail.notChecked("event-log", "the evidence carries none");
    return {};
  }
  const log = readLog(trail, eventLog, settings);
  const touched = touchedRegisters(log);
  const banks = HASH_NAMES.filter((bank) => values.has(bank) && log.algorithms.includes(bank));
  const replays = banks.flatMap((bank) => replayBank(log, bank, values, touched, settings) ?? []);
  const [best] = PREFERRED.flatMap((bank) => replays.find((one) => one.bank === bank) ?? []);
  if (best === undefined) throw trail.failed("event-log", "the quote covers no register and bank of the log");
  checkReports(trail, replays);
  const pcrs = [...best.report.states.keys()].sort((a, b) => a - b).join(",");
  trail.passed("event-log", `${log.count} events replay to PCR ${pcrs}`);
  const unexplained = unexplainedRegisters(log, best, values, initDataChecked ? [INIT_DATA_PCR] : []);
  return {
    ...eventClaims(log, best.report, { detail: settings.eventClaims }),
    unexplained_pcrs: unexplained,
  };
}

function readLog(trail: TpmTrail, bytes: Buffer, { maxEventLogBytes }: TpmSettings): EventLog {
  try {
    return parseEventLog(bytes, { maxBytes: maxEventLogBytes });
  } catch (error) {
    if (!(error instanceof EventLogError)) throw error;
    throw trail.failed("event-log", `malformed event log: ${error.message}`);
  }
}

function touchedRegisters(log: EventLog): ReadonlySet<number> {
  const touched = new Set<number>();
  for (const event of log) if (event.extends && event.registerKind === "pcr") touched.add(event.register);
  return touched;
}

interface Replay {
  readonly bank: HashName;
  readonly report: ReplayReport;
}

function replayBank(
  log: EventLog,
  bank: HashName,
  values: PcrValues,
  touched: ReadonlySet<number>,
  { eventLogPcrs }: TpmSettings,
): Replay | undefined {
  const wanted = (pcr: number) =>
    eventLogPcrs === undefined ? touched.has(pcr) : eventLogPcrs.includes(pcr);
  const quoted = new Map([...(values.get(bank) ?? [])].filter(([pcr]) => wanted(pcr)));
  return quoted.size === 0 ? undefined : { bank, report: checkReplay(log, quoted, bank, { kind: "pcr" }) };
}

function checkReports(trail: TpmTrail, replays: readonly Replay[]): void {
  for (const { bank, report } of replays) {
    const [mismatch] = report.mismatches;
    if (mismatch !== undefined)
      throw trail.failed("event-log", `PCR ${mismatch.register} of bank ${bank}: ${mismatch.reason}`);
    const [fault] = report.faults;
    if (fault !== undefined) throw trail.failed("event-log", `bank ${bank}: ${fault.reason}`);
  }
}

/** Quoted registers that hold something no event of the log put there. */
function unexplainedRegisters(
  log: EventLog,
  { bank, report }: Replay,
  values: PcrValues,
  known: readonly number[],
): number[] {
  const explained = (pcr: number, value: Buffer) => {
    const state = report.states.get(pcr);
    if (state !== undefined && state !== "not_covered") return true;
    return known.includes(pcr) || equalBytes(value, initialValue(log, pcr, bank, "pcr"));
  };
  return [...(values.get(bank) ?? [])].filter(([pcr, value]) => !explained(pcr, value)).map(([pcr]) => pcr);
}
