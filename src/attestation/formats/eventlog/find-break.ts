/**
 * Where a log and a register part. A hash chain that ends wrong does not say where it went wrong; but most faults in
 * practice are one event too many, too few, moved or altered, and each of these can be tried.
 */
import { equalBytes } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import type { HashName } from "./algorithms.ts";
import { digestFault } from "./bound-data.ts";
import type { EventLog, LogEvent, RegisterKind } from "./event-log.ts";
import { digestFor, initialValue, Register, sameKind } from "./replay.ts";
import type { Walk } from "./walk.ts";

export interface Break {
  /** Index of the event in the log. */
  readonly event: number | undefined;
  readonly reason: string;
}

/** A register with more events is not searched: the trials are as many as the events' square. */
const MOST_EVENTS_SEARCHED = 192;

/** Hashes that may still be spent on searching; shared by the registers of one comparison. */
export interface SearchBudget {
  hashes: number;
}

/** About a tenth of a second: whoever sends wrong logs must not be able to keep a processor busy. */
export const SEARCH_HASHES = 200_000;

export function findBreak(
  log: EventLog,
  walk: Walk,
  algorithm: HashName,
  kind: RegisterKind,
  budget: SearchBudget,
): Break | undefined {
  const { quoted } = walk;
  if (walk.withoutDigest !== undefined)
    return at(log, walk.withoutDigest, `has no ${algorithm} digest, so nothing vouches for it`);
  if (walk.events === 0)
    return { event: undefined, reason: "the log has no event for a register that was extended" };
  const events = eventsOf(log, walk.register, kind);
  const [first] = events;
  if (walk.matchesInitial && first !== undefined)
    return at(log, first.index, "is not in the register: it was never extended");
  if (walk.lastMatch !== undefined) return afterMatch(log, events, walk.lastMatch);
  if (quoted === undefined || events.length > MOST_EVENTS_SEARCHED) return undefined;
  const chain = new Chain(
    initialValue(log, walk.register, algorithm, kind),
    quoted,
    algorithm,
    events,
    budget,
  );
  return search(log, chain);
}

/** Events of one register; one more than are searched, so that the caller sees that there are too many. */
function eventsOf(log: EventLog, register: number, kind: RegisterKind): LogEvent[] {
  const events: LogEvent[] = [];
  for (const event of log) {
    if (event.register !== register || !event.extends || !sameKind(event, log, kind)) continue;
    events.push(event);
    if (events.length > MOST_EVENTS_SEARCHED) break;
  }
  return events;
}

function afterMatch(log: EventLog, events: readonly LogEvent[], lastMatch: number): Break {
  const next = events.find(({ index }) => index > lastMatch);
  const where = `the register holds the value after event ${lastMatch}`;
  return next === undefined
    ? { event: undefined, reason: `${where}; later events are not in it` }
    : at(log, next.index, `is not in the register: ${where}`);
}

/** Digests of one register in order, and what they would have to give. */
class Chain {
  readonly algorithm: HashName;
  readonly events: readonly LogEvent[];
  readonly digests: readonly Buffer[];
  /** Values before each event. */
  readonly #before: Buffer[] = [];
  readonly #quoted: Buffer;
  readonly last: Buffer;

  readonly #budget: SearchBudget;

  constructor(
    initial: Buffer,
    quoted: Buffer,
    algorithm: HashName,
    events: readonly LogEvent[],
    budget: SearchBudget,
  ) {
    this.algorithm = algorithm;
    this.#budget = budget;
    this.#quoted = quoted;
    this.events = events;
    this.digests = events.map((event) => digestFor(event, algorithm) ?? Buffer.alloc(0));
    const register = new Register(algorithm, initial);
    for (const digest of this.digests) {
      this.#before.push(register.value);
      register.extend(digest);
    }
    this.last = register.value;
  }

  /** Whether the register comes out right if `instead` stands where the events from `from` to `to` (exclusive) do. */
  holdsWith(from: number, to: number, instead: readonly Buffer[]): boolean {
    this.#budget.hashes -= instead.length + this.digests.length - to;
    if (this.#budget.hashes < 0) return false;
    const register = new Register(this.algorithm, this.#before[from] ?? this.last);
    for (const digest of instead) register.extend(digest);
    for (let i = to; i < this.digests.length; i++) register.extend(this.digests[i] ?? Buffer.alloc(0));
    return equalBytes(register.current, this.#quoted);
  }
}

function search(log: EventLog, chain: Chain): Break | undefined {
  return (
    altered(log, chain) ??
    surplus(log, chain) ??
    moved(log, chain) ??
    missing(log, chain) ??
    doubtful(log, chain)
  );
}

function altered(log: EventLog, chain: Chain): Break | undefined {
  for (const [i, event] of chain.events.entries()) {
    const ofData = Buffer.from(digestHex(chain.algorithm, event.data), "hex");
    if (chain.digests[i]?.equals(ofData) !== true && chain.holdsWith(i, i + 1, [ofData]))
      return at(log, event.index, "has a digest that was altered: the register holds that of its data");
  }
  return undefined;
}

function surplus(log: EventLog, chain: Chain): Break | undefined {
  const found = chain.events.findIndex((_, i) => chain.holdsWith(i, i + 1, []));
  return found < 0
    ? undefined
    : at(log, indexOf(chain, found), "is not in the register; without it the log would be right");
}

function moved(log: EventLog, chain: Chain): Break | undefined {
  const [{ digests }, { length }] = [chain, chain.events];
  for (let i = 0; i + 1 < length; i++) {
    const [here, next] = [digests[i], digests[i + 1]];
    if (here !== undefined && next !== undefined && chain.holdsWith(i, i + 2, [next, here]))
      return at(log, indexOf(chain, i), "and the one after it changed places");
  }
  return undefined;
}

/** Events whose data is always the same, so that their absence can be seen. */
const CONSTANT_EVENTS: readonly (readonly [name: string, data: Buffer])[] = [
  ["the separator", Buffer.alloc(4)],
  ["a separator of ones", Buffer.alloc(4, 0xff)],
  ["the separator that reports an error", Buffer.from([1, 0, 0, 0])],
  ["'Calling EFI Application from Boot Option'", Buffer.from("Calling EFI Application from Boot Option")],
  [
    "'Returning from EFI Application from Boot Option'",
    Buffer.from("Returning from EFI Application from Boot Option"),
  ],
  ["'Exit Boot Services Invocation'", Buffer.from("Exit Boot Services Invocation")],
  ["'Exit Boot Services Returned with Success'", Buffer.from("Exit Boot Services Returned with Success")],
];

function missing(log: EventLog, chain: Chain): Break | undefined {
  for (const [name, data] of CONSTANT_EVENTS) {
    const digest = Buffer.from(digestHex(chain.algorithm, data), "hex");
    for (let i = 0; i <= chain.events.length; i++) {
      if (!chain.holdsWith(i, i, [digest])) continue;
      const event = chain.events[i]?.index;
      return event === undefined
        ? { event, reason: `the log leaves out ${name} at the end` }
        : at(log, event, `comes where the log leaves out ${name}`);
    }
  }
  return undefined;
}

/** Nothing explains the value; an event that contradicts itself is still worth naming. */
function doubtful(log: EventLog, chain: Chain): Break | undefined {
  const event = chain.events.find((candidate) => digestFault(candidate, chain.algorithm) !== undefined);
  return event && at(log, event.index, "has a digest that is not that of its data");
}

function indexOf(chain: Chain, place: number): number {
  return chain.events[place]?.index ?? -1;
}

function at(log: EventLog, index: number, what: string): Break {
  return { event: index, reason: `event ${index} (${log.event(index).typeName}) ${what}` };
}
