/** The logs that make registers readable: the firmware's event log and the kernel's IMA list, against the quoted PCRs. */
import type { JsonObject } from "../../../json/value.ts";
import {
  type EventLogAppraisal,
  EventLogError,
  type LogAppraiser,
  ReplayImpossible,
} from "../../formats/eventlog/index.ts";
import { IMA_PCR } from "../../formats/ima/index.ts";
import { HASH_NAMES, type HashName } from "../../formats/tpm2/algorithms.ts";
import type { PcrValues } from "../../formats/tpm2/pcrs.ts";
import type { Trail } from "../../trail.ts";
import type { TpmCheck } from "./checks.ts";
import type { TpmEvidence } from "./evidence.ts";
import type { TpmSettings } from "./settings.ts";

/** What logs are judged with. */
export interface LogJudge {
  readonly trail: Trail<TpmCheck>;
  readonly evidence: Pick<TpmEvidence, "eventLog" | "imaLog">;
  /** Exactly what the quote covers. */
  readonly values: PcrValues;
  readonly settings: TpmSettings;
  readonly logs: LogAppraiser;
  /** What an IMA list is compared with; absent: only with the register. */
  readonly imaPolicy: Uint8Array | undefined;
  /** Registers whose value something else explains, say the init-data's. */
  readonly explained: readonly number[];
}

/** Claims come from the first of these banks that log and quote share. */
const PREFERRED: readonly HashName[] = ["sha256", "sha384", "sha512", "sha1"];

/**
 * @returns claims about the logs; none without any
 * @throws EvidenceRejected `event-log` | `ima-log`; KbsError `overloaded` when too many logs wait
 */
export async function checkMeasuredBoot(judge: LogJudge, signal: AbortSignal): Promise<JsonObject> {
  const events = await checkEventLog(judge, signal);
  const ima = await checkImaLog(judge, signal);
  if (events === undefined) return ima === undefined ? {} : { ima };
  const known = ima === undefined ? judge.explained : [...judge.explained, IMA_PCR];
  return {
    ...events.claims,
    ...(ima === undefined ? {} : { ima }),
    unexplained_pcrs: events.unexplained.filter((pcr) => !known.includes(pcr)),
  };
}

interface ReadEvents {
  readonly claims: JsonObject;
  /** Quoted registers that hold something no event of the log put there. */
  readonly unexplained: readonly number[];
}

async function checkEventLog(judge: LogJudge, signal: AbortSignal): Promise<ReadEvents | undefined> {
  const { trail, settings } = judge;
  const { eventLog } = judge.evidence;
  if (eventLog === undefined) {
    if (settings.requireEventLog) throw trail.failed("event-log", "no event log (setting requireEventLog)");
    trail.notChecked("event-log", "the evidence carries none");
    return undefined;
  }
  checkCoverage(judge);
  const read: (ReadEvents & { readonly appraisal: EventLogAppraisal })[] = [];
  for (const bank of PREFERRED) {
    const done = await orRefuse(trail, "event-log", () => appraiseBank(judge, eventLog, bank, signal));
    if (done !== undefined) read.push(done);
  }
  const [best] = read;
  if (best === undefined)
    throw trail.failed("event-log", "the quote covers no register and bank that the log tells of");
  const pcrs = [...best.appraisal.states].filter(([, state]) => state === "match").map(([pcr]) => pcr);
  trail.passed(
    "event-log",
    `${best.appraisal.events} events replay to PCR ${pcrs.sort((a, b) => a - b).join(",")}`,
  );
  return best;
}

/** What the log has to explain must be in the quote, all of it in one bank: a guest chooses what it quotes. */
function checkCoverage({ trail, values, settings: { eventLogPcrs = [] } }: LogJudge): void {
  if (PREFERRED.some((bank) => covers(values, bank, eventLogPcrs))) return;
  const wanted = eventLogPcrs.join(", ");
  throw trail.failed(
    "event-log",
    `a quote whose banks all leave out one of PCR ${wanted} (setting eventLogPcrs)`,
  );
}

function covers(values: PcrValues, bank: HashName, pcrs: readonly number[]): boolean {
  return pcrs.every((pcr) => values.get(bank)?.has(pcr) === true);
}

/** @returns undefined for a bank that the quote or the log does not have */
async function appraiseBank(judge: LogJudge, bytes: Buffer, bank: HashName, signal: AbortSignal) {
  const { values, settings, logs } = judge;
  if (!covers(values, bank, settings.eventLogPcrs ?? [])) return undefined;
  const all = values.get(bank) ?? new Map<number, Buffer>();
  const wanted = [...all].filter(([pcr]) => settings.eventLogPcrs?.includes(pcr) ?? true);
  if (wanted.length === 0) return undefined;
  const appraise = (quoted: ReadonlyMap<number, Buffer>) =>
    logs.eventLog(
      {
        bytes,
        quoted,
        algorithm: bank,
        kind: "pcr",
        detail: settings.eventClaims,
        limits: { maxBytes: settings.maxEventLogBytes },
      },
      signal,
    );
  const first = await appraise(new Map(wanted));
  // Registers without any event are no part of the log, unless the settings say that they have to be.
  const unexplained = first.mismatches
    .map(({ register }) => register)
    .filter((pcr) => settings.eventLogPcrs === undefined && !first.replayed.has(pcr));
  const logged = new Map(wanted.filter(([pcr]) => !unexplained.includes(pcr)));
  if (![...logged.keys()].some((pcr) => first.replayed.has(pcr))) return undefined;
  const appraisal = unexplained.length === 0 ? first : await appraise(logged);
  refuseMismatch(judge.trail, bank, appraisal);
  return { appraisal, claims: appraisal.claims, unexplained };
}

function refuseMismatch(
  trail: Trail<TpmCheck>,
  bank: HashName,
  { mismatches, faults }: EventLogAppraisal,
): void {
  const [mismatch] = mismatches;
  if (mismatch !== undefined)
    throw trail.failed("event-log", `PCR ${mismatch.register} of bank ${bank}: ${mismatch.reason}`);
  const [fault] = faults;
  if (fault !== undefined) throw trail.failed("event-log", `bank ${bank}: ${fault.reason}`);
}

async function checkImaLog(judge: LogJudge, signal: AbortSignal): Promise<JsonObject | undefined> {
  const { trail, settings, values, logs, imaPolicy } = judge;
  const { imaLog } = judge.evidence;
  // A policy that guests could leave without work, by sending no list, would be none.
  const required = settings.requireImaLog || imaPolicy !== undefined;
  if (imaLog === undefined) {
    if (required) throw trail.failed("ima-log", "no IMA list (settings imaPolicy and requireImaLog)");
    trail.notChecked("ima-log", "the evidence carries none");
    return undefined;
  }
  const bank = PREFERRED.find((name) => values.get(name)?.has(IMA_PCR));
  const quoted = bank && values.get(bank)?.get(IMA_PCR);
  if (bank === undefined || quoted === undefined)
    throw trail.failed("ima-log", `a quote that leaves out PCR ${IMA_PCR}, which vouches for the list`);
  const report = await orRefuse(trail, "ima-log", () =>
    logs.ima(
      {
        bytes: imaLog,
        quoted,
        algorithm: bank,
        banks: hashBanks(values),
        limits: { maxBytes: settings.maxImaLogBytes },
        ...(imaPolicy === undefined ? {} : { policy: imaPolicy }),
      },
      signal,
    ),
  );
  const { attested, records, failures, failed, firstSuspectRecord } = report;
  if (report.match?.matched === false) {
    const suspect =
      firstSuspectRecord === undefined ? "" : `; record ${firstSuspectRecord} contradicts itself`;
    throw trail.failed(
      "ima-log",
      `${records} records that do not replay to PCR ${IMA_PCR} of bank ${bank}${suspect}`,
    );
  }
  const [failure] = failures;
  if (failure !== undefined)
    throw trail.failed(
      "ima-log",
      `record ${failure.record} (${printable(failure.path)}): ${failure.reason}${failed > 1 ? `, and ${failed - 1} more` : ""}`,
    );
  if (required && attested === 0)
    throw trail.failed("ima-log", `a list of which PCR ${IMA_PCR} vouches for no record`);
  trail.passed(
    "ima-log",
    `${attested} of ${records} records attested${imaPolicy === undefined ? "" : ", all allowed"}`,
  );
  return report.claims;
}

/** Paths come from the machine that is judged. */
function printable(path: string): string {
  return path.slice(0, 100).replaceAll(/[^\x20-\x7e]/g, "?");
}

function hashBanks(values: PcrValues): ReadonlyMap<HashName, ReadonlyMap<number, Uint8Array>> {
  return new Map(
    HASH_NAMES.flatMap((bank) => {
      const registers = values.get(bank);
      return registers === undefined ? [] : [[bank, registers] as const];
    }),
  );
}

async function orRefuse<T>(trail: Trail<TpmCheck>, check: TpmCheck, judge: () => Promise<T>): Promise<T> {
  try {
    return await judge();
  } catch (error) {
    if (error instanceof EventLogError) throw trail.failed(check, `malformed log: ${error.message}`);
    if (error instanceof ReplayImpossible) throw trail.failed(check, error.message);
    throw error;
  }
}
