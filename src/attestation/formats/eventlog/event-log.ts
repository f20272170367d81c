/**
 * What every kind of event log is read into. A log says nothing by itself: it is text of the guest until the registers
 * it replays to were compared with signed ones (`checkReplay`), and even then only digests are true; the data beside
 * a digest is true where the digest covers it (`isBound`).
 */
import type { HashName } from "./algorithms.ts";

/** Where and why bytes are no event log. The message is public. */
export class EventLogError extends Error {
  /** Bytes (for JSON: characters) from the start of the log. */
  readonly position: number;
  /** The message without the place. */
  readonly what: string;

  constructor(what: string, position: number) {
    super(`${what} at byte ${position}`);
    this.name = "EventLogError";
    this.what = what;
    this.position = position;
  }
}

export interface LogLimits {
  /** Longest log in bytes. */
  readonly maxBytes?: number;
  readonly maxEvents?: number;
}

/** What a log may have if nobody says otherwise: a long boot log has fifty kilobytes and two hundred events. */
export const DEFAULT_MAX_LOG_BYTES = 4 * 1024 * 1024;
export const DEFAULT_MAX_EVENTS = 100_000;
/** What no setting exceeds. */
export const MOST_LOG_BYTES = 64 * 1024 * 1024;
export const MOST_EVENTS = 1_000_000;

export type LogFormat = "tcg2" | "tcg1.2" | "cel-tlv" | "cel-json" | "cel-cbor";

/** `pcr`: a TPM's; `cc`: a measurement register of a confidential VM (UEFI: CC_MR_INDEX); `nv`: a TPM's NV index. */
export type RegisterKind = "pcr" | "cc" | "nv";

/** What the content of an event is; `pcclient` has a type of the TCG PC Client profile. */
export type ContentKind = "pcclient" | "ima" | "ima-tlv" | "management" | "systemd" | "cos" | "opaque";

export interface LoggedDigest {
  readonly algorithm: HashName;
  readonly value: Buffer;
}

export interface LogEvent {
  /** Place in the log, from 0; a Spec ID event is not counted. */
  readonly index: number;
  /** Byte (JSON: character) where it begins. */
  readonly position: number;
  readonly registerKind: RegisterKind;
  readonly register: number;
  readonly kind: ContentKind;
  /** TCG event type; for other content kinds the type of the content. */
  readonly type: number;
  readonly typeName: string;
  /** In log order; digests of algorithms that nobody here knows are left out. Never two of one algorithm. */
  readonly digests: readonly LoggedDigest[];
  /** The event's data: what the digest covers where the type says so. A view on the log, no copy. */
  readonly data: Buffer;
  /** Whether the register was extended with the digest; false for EV_NO_ACTION. */
  readonly extends: boolean;
  /** `kind` ima: the template's name. */
  readonly template?: string;
  /** `kind` systemd, management, cos: what the record says, in words. */
  readonly text?: string;
}

/** Spec ID event of a crypto-agile log (TCG PC Client Platform Firmware Profile §9.4.5.1). */
export interface SpecId {
  readonly signature: string;
  readonly platformClass: number;
  /** `2.0 errata 105`, say. */
  readonly version: string;
  readonly uintnBits: number;
  readonly vendorInfo: Buffer;
}

export interface EventLogParts {
  readonly format: LogFormat;
  readonly algorithms: readonly HashName[];
  readonly offsets: Uint32Array;
  /** Reads event `index`, which begins at `position`; called for checked positions only. */
  readonly read: (position: number, index: number) => LogEvent;
  readonly consumed: number;
  readonly end: "end of data" | "zeros" | "ones";
  readonly specId?: SpecId;
  readonly registerKind?: RegisterKind;
  readonly startupLocality?: number | undefined;
  /** Oddities that are no fault, say a prototype format whose digests cannot be replayed. */
  readonly notes?: readonly string[];
}

/**
 * A log whose structure was checked. Only the places of the events are kept; an event is read when it is asked for,
 * so a log costs little more memory than its bytes.
 */
export class EventLog implements Iterable<LogEvent> {
  readonly format: LogFormat;
  /** Algorithms the log declares (crypto-agile) or uses. */
  readonly algorithms: readonly HashName[];
  readonly specId: SpecId | undefined;
  /** What register numbers mean if the caller does not say. A CCEL looks like any TCG log: its caller must say `cc`. */
  readonly registerKind: RegisterKind;
  /** Locality of the startup, from the StartupLocality record: the last byte of PCR 0 before the first event. */
  readonly startupLocality: number | undefined;
  /** Bytes up to the end mark, or to the end. */
  readonly consumed: number;
  readonly end: EventLogParts["end"];
  readonly notes: readonly string[];
  readonly #parts: EventLogParts;

  constructor(parts: EventLogParts) {
    this.#parts = parts;
    this.format = parts.format;
    this.algorithms = parts.algorithms;
    this.specId = parts.specId;
    this.registerKind = parts.registerKind ?? "pcr";
    this.startupLocality = parts.startupLocality;
    this.consumed = parts.consumed;
    this.end = parts.end;
    this.notes = parts.notes ?? [];
  }

  get count(): number {
    return this.#parts.offsets.length;
  }

  /** @throws RangeError for an index the log does not have */
  event(index: number): LogEvent {
    const position = this.#parts.offsets[index];
    if (position === undefined) throw new RangeError(`the log has no event ${index}`);
    return this.#parts.read(position, index);
  }

  /** The same log with one more remark. */
  withNote(note: string): EventLog {
    return new EventLog({ ...this.#parts, notes: [...this.notes, note] });
  }

  *[Symbol.iterator](): Iterator<LogEvent> {
    for (let index = 0; index < this.count; index++) yield this.event(index);
  }
}

/** Grows like an array, at four bytes an entry. */
export class Offsets {
  #entries = new Uint32Array(256);
  #count = 0;
  readonly #maxEvents: number;

  constructor(limits: LogLimits) {
    this.#maxEvents = Math.min(limits.maxEvents ?? DEFAULT_MAX_EVENTS, MOST_EVENTS);
  }

  get count(): number {
    return this.#count;
  }

  /** @throws EventLogError when the log has more events than it may have */
  add(position: number): void {
    if (this.#count >= this.#maxEvents)
      throw new EventLogError(`more than ${this.#maxEvents} events`, position);
    if (this.#count === this.#entries.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#entries);
      this.#entries = grown;
    }
    this.#entries[this.#count++] = position;
  }

  done(): Uint32Array {
    return this.#entries.subarray(0, this.#count);
  }
}

/** @throws EventLogError for an empty log and for one longer than it may be */
export function checkLength(bytes: Uint8Array, limits: LogLimits): void {
  const most = Math.min(limits.maxBytes ?? DEFAULT_MAX_LOG_BYTES, MOST_LOG_BYTES);
  if (bytes.byteLength === 0) throw new EventLogError("an empty log", 0);
  if (bytes.byteLength > most)
    throw new EventLogError(`${bytes.byteLength} bytes where ${most} are the most`, most);
}
