import {
  checkReplay,
  type EventLog,
  eventClaims,
  type HashName,
  type RegisterKind,
  type ReplayReport,
} from "../../attestation/formats/eventlog/index.ts";
import { registerName } from "../../attestation/formats/eventlog/registers.ts";
import {
  appraiseIma,
  IMA_PCR,
  type ImaLog,
  type ImaReport,
  imaClaims,
  parseImaPolicy,
} from "../../attestation/formats/ima/index.ts";
import { toHex } from "../../crypto/bytes.ts";
import type { JsonObject } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import { misuse, refused, type World } from "../world.ts";
import type { Registers } from "./registers.ts";

export interface EventCheck {
  readonly file: string;
  readonly log: EventLog;
  readonly bank: HashName;
  readonly kind: RegisterKind;
  readonly registers: Registers;
  readonly prefix: readonly number[];
}

/** @throws CommandFailure when a register does not match, or an event contradicts its data */
export function verifyEvents(world: World, check: EventCheck, json: boolean): void {
  const { file, log, bank, kind, registers, prefix } = check;
  const quoted = registers.get(bank);
  if (quoted === undefined) throw misuse(`There are no register values of the bank ${bank}.`);
  const report = checkReplay(log, quoted, bank, {
    kind,
    prefixAllowed: (register) => prefix.includes(register),
  });
  const result = eventResult(log, report);
  world.out(json ? `${writeJson(result)}\n` : eventText(file, report));
  if (!report.ok) throw refused(`${file} does not explain the registers.`);
}

function eventResult(log: EventLog, report: ReplayReport): JsonObject {
  const { ok, algorithm, states, mismatches, faults } = report;
  return {
    outcome: ok ? "matches" : "mismatch",
    bank: algorithm,
    replayed: Object.fromEntries([...states].map(([register, state]) => [String(register), state])),
    mismatches: mismatches.map(({ register, expected, seen, firstSuspectEvent, reason }) => ({
      register,
      expected: toHex(expected),
      seen: toHex(seen),
      ...(firstSuspectEvent === undefined ? {} : { event: firstSuspectEvent }),
      reason,
    })),
    faults: faults.map(({ event, register, reason }) => ({ event, register, reason })),
    ...(ok ? eventClaims(log, report, { detail: "facts" }) : {}),
  };
}

const STATES = {
  match: "ok",
  prefix: "ok",
  initial: "ok",
  not_covered: "--",
  mismatch: "NO",
} as const;

const WORDS = {
  match: "holds what the log gives",
  prefix: "holds what the first events give; later ones are not attested",
  initial: "was not extended, and the log has no event for it",
  not_covered: "no value was given; its events are not attested",
  mismatch: "does not hold what the log gives",
} as const;

function eventText(file: string, report: ReplayReport): string {
  const lines = [...report.states].map(([register, state]) => {
    const name = registerName(register, report.kind);
    const mismatch = report.mismatches.find((one) => one.register === register);
    const why =
      mismatch === undefined
        ? ""
        : `      expected: ${toHex(mismatch.expected)}\n      log gives: ${toHex(mismatch.seen)}\n      ${mismatch.reason}\n`;
    return `  ${STATES[state]}  ${String(register).padStart(2)} ${WORDS[state]} (${name})\n${why}`;
  });
  const faults = report.faults.map(({ reason }) => `  NO  ${reason}\n`);
  return `${file}: ${report.ok ? "matches" : "does not match"} (${report.algorithm})\n${lines.join("")}${faults.join("")}`;
}

export interface MeasurementCheck {
  readonly file: string;
  readonly log: ImaLog;
  readonly bank: HashName;
  readonly registers: Registers;
  readonly policy: Uint8Array | undefined;
}

/** @throws CommandFailure when the register does not match, or a record is not accepted */
export function verifyMeasurements(world: World, check: MeasurementCheck, json: boolean): void {
  const { file, log, bank, registers } = check;
  const quoted = registers.get(bank)?.get(IMA_PCR);
  if (quoted === undefined) throw misuse(`A list of IMA is compared with register ${IMA_PCR}.`);
  const policy = check.policy === undefined ? {} : { policy: parseImaPolicy(check.policy) };
  const report = appraiseIma(log, { algorithm: bank, quoted, banks: registers, ...policy });
  world.out(json ? `${writeJson(imaResult(report))}\n` : imaText(file, report));
  if (!report.ok) throw refused(`${file} is not accepted.`);
}

function imaResult(report: ImaReport): JsonObject {
  const outcome = report.ok ? "accepted" : report.match?.matched === true ? "refused" : "mismatch";
  const suspect = report.firstSuspectRecord;
  return { outcome, ...(suspect === undefined ? {} : { record: suspect }), ima: imaClaims(report) };
}

function imaText(file: string, report: ImaReport): string {
  const { attested, records, failed, bootAggregateOk, firstSuspectRecord } = report;
  const matched = report.match?.matched === true;
  const register = matched
    ? `  ok  register ${IMA_PCR} attests ${attested} of ${records} records\n`
    : `  NO  register ${IMA_PCR} does not hold what any first part of the list gives\n`;
  const suspect =
    firstSuspectRecord === undefined
      ? ""
      : `  NO  record ${firstSuspectRecord} is not what its template hash says\n`;
  const aggregate =
    bootAggregateOk === undefined
      ? "  --  boot aggregate: its registers were not given\n"
      : `  ${bootAggregateOk ? "ok" : "NO"}  boot aggregate\n`;
  const failures = report.failures.map(
    ({ record, path, digest, reason }) =>
      `  NO  record ${record}: ${reason}: ${JSON.stringify(path)} ${digest}\n`,
  );
  const more = failed > failures.length ? `      and ${failed - failures.length} more\n` : "";
  const verdict = report.ok ? "accepted" : "not accepted";
  return `${file}: ${verdict}\n${register}${suspect}${matched ? aggregate : ""}${failures.join("")}${more}`;
}
