/**
 * Replay: what registers hold after a log's events (TPM 2.0 Part 1 §17.2: new value = H(old value ‖ digest)).
 */
import { digestLatin1 } from "../../../crypto/digest.ts";
import { type HashName, hashOf, isAvailable } from "./algorithms.ts";
import type { EventLog, LogEvent, RegisterKind } from "./event-log.ts";

/** A log without digests of this bank, or a bank that this OpenSSL cannot compute. */
export class ReplayImpossible extends Error {
  constructor(what: string) {
    super(what);
    this.name = "ReplayImpossible";
  }
}

export interface ReplayOptions {
  /** What the log's register numbers mean; a CCEL's are `cc`. Default: what the log says of itself. */
  readonly kind?: RegisterKind;
}

/** Dynamic root of trust: these PCRs are all ones until one was launched (PC Client Platform TPM Profile §4.6.2). */
const FIRST_DRTM_PCR = 17;
const LAST_DRTM_PCR = 22;

/** What a register holds before its first event. */
export function initialValue(
  log: EventLog,
  register: number,
  algorithm: HashName,
  kind: RegisterKind,
): Buffer {
  const value = Buffer.alloc(hashOf(algorithm).size);
  if (kind !== "pcr") return value;
  if (register >= FIRST_DRTM_PCR && register <= LAST_DRTM_PCR) value.fill(0xff);
  if (register === 0 && log.startupLocality !== undefined) value[value.length - 1] = log.startupLocality;
  return value;
}

/** One register while it is replayed: the old value in front, room for the digest behind it. */
export class Register {
  readonly #both: Buffer;
  readonly #size: number;
  readonly #algorithm: HashName;

  constructor(algorithm: HashName, initial: Buffer) {
    this.#algorithm = algorithm;
    this.#size = initial.length;
    this.#both = Buffer.alloc(2 * initial.length);
    initial.copy(this.#both);
  }

  /** @param digest - exactly as long as the register */
  extend(digest: Buffer): void {
    digest.copy(this.#both, this.#size, 0, this.#size);
    this.#both.write(digestLatin1(this.#algorithm, this.#both), 0, this.#size, "latin1");
  }

  /** A view that the next extend changes. */
  get current(): Buffer {
    return this.#both.subarray(0, this.#size);
  }

  get value(): Buffer {
    return Buffer.from(this.current);
  }
}

/** The digest that the event extended the bank with; undefined if the log does not say. */
export function digestFor(event: LogEvent, algorithm: HashName): Buffer | undefined {
  for (const digest of event.digests) if (digest.algorithm === algorithm) return digest.value;
  return undefined;
}

/**
 * Replays one bank.
 *
 * @returns the value of every register that was extended; an event without a digest of this bank leaves its register
 *   as it is, which `checkReplay` does not forgive
 * @throws ReplayImpossible
 */
export function replay(log: EventLog, algorithm: HashName, options: ReplayOptions = {}): Map<number, Buffer> {
  requireAlgorithm(algorithm);
  const kind = options.kind ?? log.registerKind;
  const registers = new Map<number, Register>();
  for (const event of log) {
    if (!event.extends || !sameKind(event, log, kind)) continue;
    const digest = digestFor(event, algorithm);
    if (digest === undefined) continue;
    let register = registers.get(event.register);
    if (register === undefined) {
      register = new Register(algorithm, initialValue(log, event.register, algorithm, kind));
      registers.set(event.register, register);
    }
    register.extend(digest);
  }
  return new Map([...registers].sort(([a], [b]) => a - b).map(([index, { value }]) => [index, value]));
}

/** @throws ReplayImpossible when this OpenSSL lacks the algorithm */
export function requireAlgorithm(algorithm: HashName): void {
  if (!isAvailable(algorithm)) throw new ReplayImpossible(`${algorithm} is not available here`);
}

/** Firmware logs do not say what their numbers mean, so the caller's word counts; a CEL does. */
export function sameKind(event: LogEvent, log: EventLog, kind: RegisterKind): boolean {
  return log.format === "tcg2" || log.format === "tcg1.2" || event.registerKind === kind;
}
