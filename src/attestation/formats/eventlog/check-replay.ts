/**
 * Compares a log with signed registers. Everything a claim says about a log rests on this comparison.
 */
import { equalBytes } from "../../../crypto/bytes.ts";
import { type HashName, hashOf } from "./algorithms.ts";
import { type DigestFault, digestFault } from "./bound-data.ts";
import type { EventLog, LogEvent, RegisterKind } from "./event-log.ts";
import { findBreak, SEARCH_HASHES, type SearchBudget } from "./find-break.ts";
import {
  digestFor,
  initialValue,
  Register,
  type ReplayOptions,
  requireAlgorithm,
  sameKind,
} from "./replay.ts";
import type { Walk } from "./walk.ts";

/**
 * `match`: the register holds what all its events give; `prefix`: what the first of them give, later ones are not
 * attested; `initial`: no events, and the register is as it was at startup; `not_covered`: the log has events, but the
 * register is not signed; `mismatch`: anything else.
 */
export type RegisterState = "match" | "prefix" | "initial" | "not_covered" | "mismatch";

export interface Mismatch {
  readonly register: number;
  /** What the signed evidence says. */
  readonly expected: Uint8Array;
  /** What the log replays to. */
  readonly seen: Uint8Array;
  /** The event (its index in the log) at which log and register part, where that can be told. */
  readonly firstSuspectEvent: number | undefined;
  /** One sentence: what is wrong, and with which event. */
  readonly reason: string;
}

export interface ReplayReport {
  readonly algorithm: HashName;
  readonly kind: RegisterKind;
  /** No mismatch and no digest that contradicts its data. */
  readonly ok: boolean;
  readonly mismatches: readonly Mismatch[];
  /** Events of covered registers whose digest is not that of their data, where the type demands it. */
  readonly faults: readonly DigestFault[];
  readonly states: ReadonlyMap<number, RegisterState>;
  /** Whether the signed registers vouch for the event's digest. */
  readonly covers: (event: LogEvent) => boolean;
}

export interface CheckReplayOptions extends ReplayOptions {
  /** Registers that go on being extended after the quote: the first events of the log may be all that is attested. */
  readonly prefixAllowed?: (register: number) => boolean;
  /** Whether to search for the event at which log and register part; default true. */
  readonly explain?: boolean;
}

/**
 * Replays `log` and compares it with `quoted`, the register values of one bank that a signature vouches for. Every
 * quoted register is compared: one without events must have its initial value, for whoever sends a log could have left
 * out that register's events.
 *
 * @param quoted - register number, as the log counts → value
 * @throws ReplayImpossible when this OpenSSL cannot compute the bank; RangeError when nothing is quoted
 */
export function checkReplay(
  log: EventLog,
  quoted: ReadonlyMap<number, Uint8Array>,
  algorithm: HashName,
  options: CheckReplayOptions = {},
): ReplayReport {
  requireAlgorithm(algorithm);
  if (quoted.size === 0) throw new RangeError("no register to compare the log with");
  const kind = options.kind ?? log.registerKind;
  const walks = walkRegisters(log, quoted, algorithm, kind);
  const states = new Map<number, RegisterState>();
  const attested = new Map<number, number>();
  const mismatches: Mismatch[] = [];
  const budget = { hashes: options.explain === false ? 0 : SEARCH_HASHES };
  for (const [register, walk] of [...walks].sort(([a], [b]) => a - b)) {
    const prefix = options.prefixAllowed?.(register) === true;
    const state = stateOf(walk, prefix);
    states.set(register, state);
    if (state === "match") attested.set(register, Number.POSITIVE_INFINITY);
    if (state === "prefix") attested.set(register, walk.lastMatch ?? -1);
    if (state === "mismatch" && walk.quoted !== undefined)
      mismatches.push(explain(log, walk, algorithm, kind, budget));
  }
  const covers = (event: LogEvent) =>
    event.extends &&
    sameKind(event, log, kind) &&
    event.index <= (attested.get(event.register) ?? -1) &&
    digestFor(event, algorithm) !== undefined;
  const faults = digestFaults(log, covers, algorithm);
  return { algorithm, kind, ok: mismatches.length + faults.length === 0, mismatches, faults, states, covers };
}

function walkRegisters(
  log: EventLog,
  quoted: ReadonlyMap<number, Uint8Array>,
  algorithm: HashName,
  kind: RegisterKind,
): Map<number, Walk> {
  const walks = new Map<number, Walk>();
  const open = (register: number): Walk => {
    const initial = initialValue(log, register, algorithm, kind);
    const value = quoted.get(register);
    const walk: Walk = {
      register,
      quoted: value === undefined ? undefined : Buffer.from(value),
      replayed: new Register(algorithm, initial),
      lastMatch: undefined,
      matchesInitial: value !== undefined && equalBytes(value, initial),
      events: 0,
      withoutDigest: undefined,
    };
    walks.set(register, walk);
    return walk;
  };
  for (const register of quoted.keys()) open(register);
  for (const event of log)
    if (event.extends && sameKind(event, log, kind))
      step(walks.get(event.register) ?? open(event.register), event, algorithm);
  return walks;
}

function step(walk: Walk, event: LogEvent, algorithm: HashName): void {
  walk.events++;
  if (walk.quoted === undefined || walk.withoutDigest !== undefined) return;
  const digest = digestFor(event, algorithm);
  if (digest === undefined) {
    walk.withoutDigest = event.index;
    return;
  }
  walk.replayed.extend(digest);
  if (equalBytes(walk.replayed.current, walk.quoted)) walk.lastMatch = event.index;
}

function stateOf(walk: Walk, prefixAllowed: boolean): RegisterState {
  if (walk.quoted === undefined) return "not_covered";
  if (walk.events === 0) return walk.matchesInitial ? "initial" : "mismatch";
  const whole = walk.withoutDigest === undefined && equalBytes(walk.replayed.current, walk.quoted);
  if (whole) return "match";
  // A register that is still as it was at startup attests no event at all: that is no prefix to build claims on.
  return prefixAllowed && walk.lastMatch !== undefined ? "prefix" : "mismatch";
}

function explain(
  log: EventLog,
  walk: Walk,
  algorithm: HashName,
  kind: RegisterKind,
  budget: SearchBudget,
): Mismatch {
  const expected = walk.quoted ?? Buffer.alloc(hashOf(algorithm).size);
  const found = findBreak(log, walk, algorithm, kind, budget);
  return {
    register: walk.register,
    expected,
    seen: walk.replayed.value,
    firstSuspectEvent: found?.event,
    reason: found?.reason ?? "no single event explains the difference",
  };
}

/** Faults that are named; a log that is wrong everywhere need not be told everything. */
const MOST_FAULTS = 100;

function digestFaults(
  log: EventLog,
  covers: (event: LogEvent) => boolean,
  algorithm: HashName,
): DigestFault[] {
  const faults: DigestFault[] = [];
  for (const event of log) {
    if (faults.length >= MOST_FAULTS || !covers(event)) continue;
    const fault = digestFault(event, algorithm);
    if (fault !== undefined) faults.push(fault);
  }
  return faults;
}
