/**
 * The enrolled keys of bare TPMs. A binding never changes: a key stays with the host and the endorsement key it was
 * enrolled under, a host with its endorsement key, and what is withdrawn stays withdrawn until an administrator
 * deletes it.
 */
import type { AkRegistry, EnrolledAk, EnrolmentStatus } from "../attestation/formats/tpm2/ak-registry.ts";
import type { ClockInfo } from "../attestation/formats/tpm2/attest.ts";
import { KbsError } from "../errors.ts";
import { writeJson } from "../json/write.ts";
import type { DocumentStore } from "../storage/document-store.ts";
import { type Enrolment, enrolmentJson, printClock, readClock, readEnrolment } from "./enrolment-record.ts";

export interface EnrolmentsDependencies {
  readonly store: DocumentStore;
  /** Counters rest apart from what administrators decide. */
  readonly clocks: DocumentStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly maxEnrolments: number;
}

/** One key with everything that is known of it. */
export interface KnownAk extends Enrolment {
  readonly lastClock: ClockInfo | undefined;
}

type NewEnrolment = Omit<Enrolment, "enrolledAt" | "decidedAt">;
type Binding = Pick<Enrolment, "akFingerprint" | "akName" | "ekFingerprint" | "host">;

/** Machines that are installed anew make new keys; more than this is somebody filling the disk. */
const MAX_KEYS_PER_TPM = 16;
const CLOCK_WRITER = "keywarden";

export class Enrolments implements AkRegistry {
  readonly #parts: EnrolmentsDependencies;
  readonly #byKey = new Map<string, KnownAk>();
  /** Changes happen one after the other, so that two of them cannot both find a host free. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(parts: EnrolmentsDependencies) {
    this.#parts = parts;
  }

  /** @throws KbsError `storage-unavailable`, also for a record that cannot be read: it may be a revocation */
  static async open(parts: EnrolmentsDependencies, signal: AbortSignal): Promise<Enrolments> {
    const opened = new Enrolments(parts);
    const clocks = new Map<string, ClockInfo>();
    for await (const { name, text } of parts.clocks.list(signal))
      clocks.set(name, readable(name, text, readClock));
    for await (const { name, text } of parts.store.list(signal)) {
      const enrolment = readable(name, text, readEnrolment);
      if (enrolment.akFingerprint !== name) throw unreadable(name, new Error("it is about another key"));
      opened.#byKey.set(name, { ...enrolment, lastClock: clocks.get(name) });
    }
    return opened;
  }

  async find(akFingerprint: string): Promise<EnrolledAk | undefined> {
    return this.#byKey.get(akFingerprint);
  }

  get(akFingerprint: string): KnownAk | undefined {
    return this.#byKey.get(akFingerprint);
  }

  /** Sorted by host, then by time. */
  list(): readonly KnownAk[] {
    return [...this.#byKey.values()].sort(
      (left, right) => compare(left.host, right.host) || compare(left.enrolledAt, right.enrolledAt),
    );
  }

  /**
   * What stands in the way of enrolling this key for this host under this endorsement key.
   *
   * @throws KbsError `conflict`
   */
  checkBinding(wanted: Binding): void {
    const known = this.#byKey.get(wanted.akFingerprint);
    if (known === undefined) {
      this.#checkNew(wanted);
      return;
    }
    if (known.status === "revoked")
      throw conflict("this key was revoked; an administrator has to delete it first");
    if (
      known.host !== wanted.host ||
      known.ekFingerprint !== wanted.ekFingerprint ||
      known.akName !== wanted.akName
    )
      throw conflict("this key is enrolled already, for another host or TPM");
  }

  #checkNew(wanted: Binding): void {
    this.#checkOthers(wanted);
    const ofThisTpm = [...this.#byKey.values()].filter(
      ({ ekFingerprint }) => ekFingerprint === wanted.ekFingerprint,
    );
    if (ofThisTpm.some(({ status }) => status === "revoked"))
      throw conflict("a key of this TPM was revoked; an administrator has to delete it first");
    if (ofThisTpm.length >= MAX_KEYS_PER_TPM)
      throw conflict(`this TPM has ${MAX_KEYS_PER_TPM} keys enrolled or waiting already`);
    if (this.#byKey.size >= this.#parts.maxEnrolments)
      throw new KbsError("overloaded", `There are ${this.#parts.maxEnrolments} enrolments already.`);
  }

  /** Keys that only wait bind nothing: whoever asks first for a host's name must not keep the host out. */
  #checkOthers({ host, ekFingerprint, akFingerprint }: Binding): void {
    for (const other of this.#byKey.values()) {
      if (other.status !== "approved" || other.akFingerprint === akFingerprint) continue;
      if (other.host === host && other.ekFingerprint !== ekFingerprint)
        throw conflict("this host is enrolled already, with another TPM");
      if (other.ekFingerprint === ekFingerprint && other.host !== host)
        throw conflict("this TPM is enrolled already, as another host");
    }
  }

  /**
   * Adds a key; one that is there already is left as it is.
   *
   * @returns what holds now
   * @throws KbsError `conflict` | `overloaded` | `storage-unavailable`
   */
  enrol(enrolment: NewEnrolment, signal: AbortSignal): Promise<KnownAk> {
    return this.#inTurn(async () => {
      this.checkBinding(enrolment);
      const known = this.#byKey.get(enrolment.akFingerprint);
      if (known !== undefined) return known;
      const at = this.#time();
      return await this.#write({ ...enrolment, enrolledAt: at, decidedAt: at }, undefined, signal);
    });
  }

  /**
   * Lets a key in, or withdraws it. In force when it returns; what was written is what holds.
   *
   * @throws KbsError `not-found` | `storage-unavailable`
   */
  decide(akFingerprint: string, status: EnrolmentStatus, by: string, signal: AbortSignal): Promise<KnownAk> {
    return this.#inTurn(async () => {
      const known = this.#known(akFingerprint);
      if (status === "approved") this.#checkOthers(known);
      // Withdrawn first: a write that fails half-way must not leave the key trusted.
      if (status === "revoked") this.#byKey.set(akFingerprint, { ...known, status });
      const { lastClock, ...enrolment } = known;
      const decision = { status, decidedBy: by, decidedAt: this.#time() };
      return await this.#write({ ...enrolment, ...decision }, lastClock, signal);
    });
  }

  /** @throws KbsError `not-found` | `storage-unavailable` */
  delete(akFingerprint: string, signal: AbortSignal): Promise<KnownAk> {
    return this.#inTurn(async () => {
      const known = this.#known(akFingerprint);
      this.#byKey.set(akFingerprint, { ...known, status: "revoked" });
      await this.#parts.store.delete(akFingerprint, signal);
      await this.#parts.clocks.delete(akFingerprint, signal);
      this.#byKey.delete(akFingerprint);
      return known;
    });
  }

  async recordClock(
    akFingerprint: string,
    judgedAgainst: ClockInfo | undefined,
    clock: ClockInfo,
    signal: AbortSignal,
  ): Promise<boolean> {
    const known = this.#byKey.get(akFingerprint);
    if (known?.status !== "approved" || known.lastClock !== judgedAgainst) return false;
    // In memory at once, so that a second quote is compared with this one even while the disk is busy.
    this.#byKey.set(akFingerprint, { ...known, lastClock: clock });
    await this.#parts.clocks.put(
      akFingerprint,
      printClock(clock),
      { by: CLOCK_WRITER, at: this.#time() },
      signal,
    );
    return true;
  }

  async #write(
    enrolment: Enrolment,
    lastClock: ClockInfo | undefined,
    signal: AbortSignal,
  ): Promise<KnownAk> {
    const { akFingerprint, decidedBy, decidedAt } = enrolment;
    const provenance = { by: decidedBy, at: decidedAt };
    await this.#parts.store.put(akFingerprint, writeJson(enrolmentJson(enrolment)), provenance, signal);
    const current = this.#byKey.get(akFingerprint)?.lastClock ?? lastClock;
    const known: KnownAk = { ...enrolment, lastClock: current };
    this.#byKey.set(akFingerprint, known);
    return known;
  }

  #known(akFingerprint: string): KnownAk {
    const known = this.#byKey.get(akFingerprint);
    if (known === undefined) throw new KbsError("not-found", "No key with this fingerprint is enrolled.");
    return known;
  }

  #time(): string {
    return new Date(this.#parts.now()).toISOString();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

function readable<T>(name: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (cause) {
    throw unreadable(name, cause);
  }
}

function unreadable(name: string, cause: unknown): KbsError {
  const what = cause instanceof Error ? cause.message : "unknown fault";
  return new KbsError(
    "storage-unavailable",
    `The enrolment record ${name.slice(0, 80)} cannot be used: ${what}.`,
    { cause },
  );
}

function conflict(reason: string): KbsError {
  return new KbsError("conflict", `The enrolment is refused: ${reason}.`);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
