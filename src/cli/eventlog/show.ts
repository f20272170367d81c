import {
  checkReplay,
  type EventLog,
  eventClaims,
  type HashName,
  isBound,
  type LogEvent,
  type RegisterKind,
} from "../../attestation/formats/eventlog/index.ts";
import { eventMeaning } from "../../attestation/formats/eventlog/meaning.ts";
import { registerName } from "../../attestation/formats/eventlog/registers.ts";
import { type ImaLog, type ImaRecord, replayIma } from "../../attestation/formats/ima/index.ts";
import { toHex } from "../../crypto/bytes.ts";
import type { JsonObject } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import type { World } from "../world.ts";

export interface ShownLog {
  readonly file: string;
  readonly log: EventLog;
  readonly bank: HashName;
  readonly kind: RegisterKind;
  /** What the log replays to. */
  readonly registers: ReadonlyMap<number, Buffer>;
}

const LEGEND =
  "  = the digest is that of the event's data; + not measured; others: the digest is of something else\n";

export function showEvents(world: World, shown: ShownLog, json: boolean): void {
  if (json) {
    world.out(`${writeJson(asJson(shown))}\n`);
    return;
  }
  const { file, log, bank, registers, kind } = shown;
  world.out(`${file}: ${log.format}, ${log.count} events, digests ${log.algorithms.join(", ")}\n${LEGEND}\n`);
  for (const event of log) world.out(eventLine(event, bank));
  for (const note of log.notes) world.out(`\nnote: ${note}\n`);
  world.out(`\n${bank} registers after these events\n`);
  for (const [register, value] of registers)
    world.out(`${String(register).padStart(4)}  ${value.toString("hex")}  ${registerName(register, kind)}\n`);
}

function eventLine(event: LogEvent, bank: HashName): string {
  const mark = event.extends ? (isBound(event, bank) ? "=" : " ") : "+";
  const type = event.typeName.replace(/^EV_/, "");
  const [index, register] = [String(event.index).padStart(4), String(event.register).padStart(3)];
  return `${index} ${register} ${mark} ${type.padEnd(29)} ${eventMeaning(event)}\n`;
}

/** As the claims of a verified log look, if the registers were those that the log gives. */
function asJson({ log, bank, kind, registers }: ShownLog): JsonObject {
  const values = Object.fromEntries(
    [...registers].map(([register, value]) => [String(register), toHex(value)]),
  );
  const claims = registers.size === 0 ? {} : eventClaims(log, checkReplay(log, registers, bank, { kind }));
  return { format: log.format, events: log.count, bank, registers: values, ...claims };
}

export function showMeasurements(
  world: World,
  file: string,
  log: ImaLog,
  bank: HashName,
  json: boolean,
): void {
  const registers = [...new Set(Array.from(log, ({ register }) => register))].sort((a, b) => a - b);
  const values = registers.map(
    (register) => [String(register), toHex(replayIma(log, bank, { register }))] as const,
  );
  if (json) {
    const records = Array.from(log, recordJson);
    const { format, count } = log;
    world.out(
      `${writeJson({ format, events: count, bank, registers: Object.fromEntries(values), records })}\n`,
    );
    return;
  }
  world.out(`${file}: ${log.format}, ${log.count} records, template hashes ${log.algorithm}\n\n`);
  for (const record of log) world.out(recordLine(record));
  world.out(`\n${bank} registers after these records\n`);
  for (const [register, value] of values) world.out(`${register.padStart(4)}  ${value}\n`);
}

function recordLine({ index, register, template, fields, violation }: ImaRecord): string {
  const what = violation
    ? "VIOLATION"
    : `${fields.digest.algorithm}:${toHex(fields.digest.value).slice(0, 16)}…`;
  const signed = fields.signature === undefined ? "" : " (signed)";
  return `${String(index).padStart(6)} ${String(register).padStart(3)} ${template.padEnd(9)} ${what.padEnd(24)} ${printable(fields.path)}${signed}\n`;
}

/** Paths come from the guest: no control characters reach the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

function recordJson({ register, template, fields, violation }: ImaRecord): JsonObject {
  const { digest, path, signature } = fields;
  return {
    register,
    template,
    path,
    digest: `${digest.algorithm}:${toHex(digest.value)}`,
    violation,
    ...(signature === undefined ? {} : { signature: toHex(signature) }),
  };
}
