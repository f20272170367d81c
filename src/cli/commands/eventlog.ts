import { type Command, Option } from "commander";
import { detectFormat } from "../../attestation/formats/eventlog/detect.ts";
import { MOST_EVENTS, MOST_LOG_BYTES } from "../../attestation/formats/eventlog/event-log.ts";
import {
  type EventLog,
  EventLogError,
  type HashName,
  parseEventLog,
  type RegisterKind,
  ReplayImpossible,
  replay,
} from "../../attestation/formats/eventlog/index.ts";
import { type ImaLog, ImaPolicyError, parseImaLog } from "../../attestation/formats/ima/index.ts";
import { verifyEvents, verifyMeasurements } from "../eventlog/check.ts";
import { bankOf, type Registers, readRegisters } from "../eventlog/registers.ts";
import { showEvents, showMeasurements } from "../eventlog/show.ts";
import { readNamedFileOrInput } from "../files.ts";
import { misuse, type World } from "../world.ts";

interface Options {
  readonly bank?: HashName;
  readonly cc?: boolean;
  readonly registers?: string;
  readonly prefix: readonly number[];
  readonly policy?: string;
  readonly json?: boolean;
}

const BANKS: readonly HashName[] = ["sha1", "sha256", "sha384", "sha512", "sm3"];
const LIMITS = { maxBytes: MOST_LOG_BYTES, maxEvents: MOST_EVENTS };

/** Adds `keywarden eventlog`: what a log says, and whether registers vouch for it. */
export function registerEventLog(program: Command, world: World): void {
  const group = program
    .command("eventlog")
    .description("read event logs of firmware, CCELs, Canonical Event Logs and IMA lists");
  const bank = () => new Option("--bank <algorithm>", "bank of registers").choices(BANKS);
  group
    .command("show")
    .description("say what was measured, event by event, and what the registers then hold")
    .argument("<file>", "the log; - reads standard input")
    .addOption(bank())
    .option("--cc", "register numbers are those of a confidential VM (CCEL): 1 to 4 are RTMR 0 to 3")
    .option("--json", "print events, facts and registers as JSON")
    .action((file: string, options: Options) => explained(() => show(world, file, options)));
  group
    .command("verify")
    .description("compare a log with registers: exit code 0 it matches, 1 it does not, 2 misuse")
    .argument("<file>", "the log; - reads standard input")
    .requiredOption(
      "--registers <values>",
      "values that a quote vouches for: '4=<hex>,7=<hex>', or a file: JSON, or what tpm2_pcrread prints",
    )
    .addOption(bank())
    .option("--cc", "register numbers are those of a confidential VM (CCEL): 1 to 4 are RTMR 0 to 3")
    .option("--prefix <numbers>", "registers that may lie behind the log, as in 10,11", numbers, [])
    .option("--policy <file>", "IMA lists: files that may run, as docs/measured-boot.md describes")
    .option("--json", "print the result as JSON")
    .action((file: string, options: Options) => explained(() => verify(world, file, options)));
}

function numbers(text: string): number[] {
  const list = text.split(",").map(Number);
  if (!list.every((number) => Number.isInteger(number) && number >= 0))
    throw misuse("--prefix takes register numbers, as in 10,11.");
  return list;
}

/** Files that are no logs, and values that are none, are misuse: nothing was judged. */
async function explained(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof EventLogError) throw misuse(`This is no event log: ${error.message}.`);
    if (error instanceof ImaPolicyError) throw misuse(`This is no policy: ${error.message}.`);
    if (error instanceof ReplayImpossible) throw misuse(`The log cannot be replayed: ${error.message}.`);
    throw error;
  }
}

type AnyLog = { readonly events: EventLog } | { readonly measurements: ImaLog };

async function readLog(world: World, file: string): Promise<AnyLog> {
  const bytes = await readNamedFileOrInput(file, "event log", world);
  return detectFormat(bytes).startsWith("ima")
    ? { measurements: parseImaLog(bytes, LIMITS) }
    : { events: parseEventLog(bytes, LIMITS) };
}

async function show(world: World, file: string, options: Options): Promise<void> {
  const log = await readLog(world, file);
  if ("measurements" in log) {
    showMeasurements(world, file, log.measurements, options.bank ?? "sha256", options.json === true);
    return;
  }
  const { events } = log;
  const kind = kindOf(events, options);
  const bank = options.bank ?? preferredBank(events);
  const registers = replay(events, bank, { kind });
  showEvents(world, { file, log: events, bank, kind, registers }, options.json === true);
}

function kindOf(log: EventLog, options: Options): RegisterKind {
  return options.cc === true ? "cc" : log.registerKind;
}

/** SHA-256 where the log has it, for that is what most quotes are of; else the strongest. */
function preferredBank(log: EventLog): HashName {
  const bank = log.algorithms.includes("sha256") ? "sha256" : log.algorithms.at(-1);
  if (bank === undefined) throw misuse("The log has no digest of an algorithm that is known here.");
  return bank;
}

async function verify(world: World, file: string, options: Options): Promise<void> {
  const log = await readLog(world, file);
  const registers: Registers = await readRegisters(options.registers ?? "", world);
  const bank = bankOf(registers, options.bank);
  const json = options.json === true;
  if ("measurements" in log) {
    const policy =
      options.policy === undefined ? undefined : await readNamedFileOrInput(options.policy, "policy", world);
    verifyMeasurements(world, { file, log: log.measurements, bank, registers, policy }, json);
    return;
  }
  if (options.policy !== undefined) throw misuse("--policy is for IMA lists.");
  const kind = kindOf(log.events, options);
  verifyEvents(world, { file, log: log.events, bank, kind, registers, prefix: options.prefix }, json);
}
