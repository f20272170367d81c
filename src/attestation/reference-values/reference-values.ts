import type { JsonValue } from "../../json/value.ts";
import type { ReferenceValueAnswers, ReferenceValueLookup } from "../../policy/policy-engine.ts";
import type { DocumentStore, StoredDocument } from "../../storage/document-store.ts";
import { type DocumentDraft, putAll, recover } from "./batch.ts";
import { checkReferenceValueName, malformed, RESERVED_NAME, shown } from "./manifest.ts";
import { type ParsedMessage, parseMessage } from "./message.ts";
import { checkReplacement, type Submitter, type Voucher, voucherFor } from "./permission.ts";
import { TrustedSigners } from "./signers.ts";
import {
  type EntryDraft,
  parseEntry,
  printEntry,
  printWithdrawn,
  type ReferenceValue,
  type StoredEntry,
  type ValueProvenance,
} from "./stored-value.ts";
import { defaultExpiry, parseTime, wholeSeconds } from "./times.ts";

export type { Submitter } from "./permission.ts";
export type { ReferenceValue, ValueProvenance } from "./stored-value.ts";

export interface ReferenceValuesDependencies {
  readonly store: DocumentStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hears of stored values that cannot be read, which count as unknown, and of registrations that were undone. */
  readonly reportFault: (fault: { readonly name: string; readonly reason: string }) => void;
  /** Whose signatures vouch for values; nobody's if absent. */
  readonly signers?: TrustedSigners;
  /** Remarks on values about to be registered: shapes that no policy can use, names that none asks for. */
  readonly advise?: (values: ReadonlyMap<string, JsonValue>) => readonly string[];
  /** Answer policies with values that have expired. */
  readonly acceptExpired?: boolean;
}

/** What became of a message. */
export interface Registration {
  /** In the order of the message. */
  readonly names: readonly string[];
  readonly values: readonly ReferenceValue[];
  /** What a person should know: parts of the payload that were left out, values that policies cannot use. */
  readonly remarks: readonly string[];
}

class Answers extends Map<string, JsonValue> implements ReferenceValueAnswers {
  readonly expired: Set<string> = new Set();
}

const MAX_REFERENCE_VALUES = 100_000;
/** How far ahead of this clock a signer's may be. */
const CLOCK_LEEWAY_MILLISECONDS = 5 * 60_000;
/** Nothing is registered for longer. */
const MAX_LIFETIME_MILLISECONDS = 20 * 366 * 86_400_000;

/** Provisioned measurements: registered by administrators and trusted signers, asked for by policies, unknown once expired. */
export class ReferenceValues {
  readonly #dependencies: ReferenceValuesDependencies;
  readonly #signers: TrustedSigners;
  #entries: ReadonlyMap<string, StoredEntry> = new Map();
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(dependencies: ReferenceValuesDependencies) {
    this.#dependencies = dependencies;
    this.#signers = dependencies.signers ?? new TrustedSigners([], dependencies.now);
  }

  /**
   * Undoes a registration that did not finish, then reads the store.
   * @throws KbsError `storage-unavailable`
   */
  static async open(
    dependencies: ReferenceValuesDependencies,
    signal: AbortSignal,
  ): Promise<ReferenceValues> {
    const undone = await recover(dependencies.store, signal);
    for (const name of undone)
      dependencies.reportFault({ name, reason: "a registration did not finish and was undone" });
    const values = new ReferenceValues(dependencies);
    await values.refresh(signal);
    return values;
  }

  /**
   * Registers what a message of the provider protocol names, replacing values of the same names: all of it, or
   * nothing.
   *
   * @param message - the decoded message body
   * @throws KbsError `reference-value-invalid`, `manifest-untrusted`, `storage-unavailable`
   */
  async register(message: JsonValue, submitter: Submitter, signal: AbortSignal): Promise<Registration> {
    const parsed = parseMessage(message);
    const voucher = voucherFor(parsed.extraction, submitter, this.#signers);
    if (parsed.expiration !== undefined && submitter.administrator === undefined)
      throw malformed("expiry-invalid", "only administrators choose an expiry beside the manifest's own");
    const drafts = this.#drafts(parsed, voucher);
    const { values, leftOut } = parsed.extraction;
    const replaced = this.#takenFromSigners(drafts);
    const stored = this.#asStored(drafts) ?? (await this.#put(drafts, voucher.by, signal));
    return {
      names: [...values.keys()],
      values: stored,
      remarks: [...leftOut.map((what) => `left out: ${what}`), ...replaced, ...this.advise(values)],
    };
  }

  /**
   * @param expiresAt - RFC 3339; 12 months from now if absent
   * @throws KbsError `reference-value-invalid`, `storage-unavailable`
   */
  async set(
    name: string,
    value: JsonValue,
    options: { readonly by: string; readonly expiresAt?: string },
    signal: AbortSignal,
  ): Promise<ReferenceValue> {
    checkReferenceValueName(name);
    const { by, expiresAt } = options;
    const expiration = expiresAt === undefined ? undefined : parseTime(expiresAt);
    if (expiresAt !== undefined && expiration === undefined)
      throw malformed("expiry-invalid", "the expiry must be a time such as 2027-01-31T00:00:00Z");
    const provenance = { vouchedBy: "administrator", administrator: by, source: "value" } as const;
    const draft = { value, expiresAt: this.#expiry(expiration), provenance };
    const [stored] = await this.#put(new Map([[name, draft]]), by, signal);
    if (stored === undefined) throw new Error("the store returned nothing for what it stored");
    return stored;
  }

  /** What a person should know of values before policies ask for them. */
  advise(values: ReadonlyMap<string, JsonValue>): readonly string[] {
    return this.#dependencies.advise?.(values) ?? [];
  }

  /** What policies get to see: unexpired only, unless expiry is not enforced. */
  get(name: string): ReferenceValue | undefined {
    const found = this.find(name);
    return found !== undefined && this.#counts(found) ? found : undefined;
  }

  /** Expired or not. */
  find(name: string): ReferenceValue | undefined {
    return this.#entries.get(name)?.current;
  }

  /** Sorted by name; expired values are in it, so that a person can see why a policy does not find them. */
  list(): readonly ReferenceValue[] {
    return [...this.#entries.values()]
      .flatMap(({ current }) => (current === undefined ? [] : [current]))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  isExpired(value: ReferenceValue): boolean {
    return Date.parse(value.expiresAt) <= this.#dependencies.now();
  }

  /**
   * A value that a signer vouched for leaves a mark, so that its manifest cannot be played back.
   *
   * @param by - for the mark: who withdraws it
   * @returns whether it was there, expired or not
   * @throws KbsError `storage-unavailable`
   */
  async delete(name: string, signal: AbortSignal, by = "administrator"): Promise<boolean> {
    return this.#change(signal, async () => {
      const entry = this.#entries.get(name);
      if (entry?.current === undefined) return entry === undefined && this.#delete(name, signal);
      const floor = this.#floor(entry, undefined);
      if (floor === undefined) return this.#delete(name, signal);
      const { store } = this.#dependencies;
      const document = await store.put(
        name,
        printWithdrawn(name, floor),
        { by, at: this.#timestamp() },
        signal,
      );
      this.#entries = new Map(this.#entries).set(name, parseEntry(document));
      return true;
    });
  }

  /** For one evaluation: every answer of the returned function comes from the values of this moment. */
  snapshot(): ReferenceValueLookup {
    const entries = this.#entries;
    const now = this.#dependencies.now();
    return async (ids, signal) => {
      signal.throwIfAborted();
      const answers = new Answers();
      for (const id of ids) {
        const found = entries.get(id)?.current;
        const counts = found !== undefined && this.#counts(found, now);
        answers.set(id, counts ? found.value : null);
        if (found !== undefined && !counts) answers.expired.add(id);
      }
      return answers;
    };
  }

  /** Reads the store anew, for stores that others write as well. @throws KbsError `storage-unavailable` */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const entries = new Map<string, StoredEntry>();
      for await (const document of this.#dependencies.store.list(signal)) {
        const entry = document.name === RESERVED_NAME ? undefined : this.#read(document);
        if (entry !== undefined) entries.set(entry.name, entry);
      }
      this.#entries = entries;
    });
  }

  #counts(value: ReferenceValue, now = this.#dependencies.now()): boolean {
    return this.#dependencies.acceptExpired === true || Date.parse(value.expiresAt) > now;
  }

  #read(document: StoredDocument): StoredEntry | undefined {
    try {
      return parseEntry(document);
    } catch {
      const reason = "the stored reference value is not readable";
      this.#dependencies.reportFault({ name: document.name, reason });
      return undefined;
    }
  }

  #drafts(parsed: ParsedMessage, voucher: Voucher): ReadonlyMap<string, EntryDraft> {
    const { extraction, type, payloadDigest, expiration } = parsed;
    const { issuedAt, validFrom, validUntil } = extraction;
    const latest = this.#dependencies.now() + CLOCK_LEEWAY_MILLISECONDS;
    if ((validFrom ?? 0) > latest || (issuedAt ?? 0) > latest)
      throw malformed("not-yet-valid", "the manifest is not valid yet");
    const expiresAt = this.#expiry(expiration, issuedAt, validUntil);
    const provenance: ValueProvenance = {
      ...voucher.provenance,
      source: type,
      payloadDigest,
      ...(issuedAt === undefined ? {} : { issuedAt: new Date(issuedAt).toISOString() }),
    };
    return new Map(
      Array.from(extraction.values, ([name, value]) => [name, { value, expiresAt, provenance }]),
    );
  }

  /**
   * Twelve months, or what was asked for; never beyond what the manifest's maker allows. A manifest's months count
   * from its making, so that sending it again does not make its values live longer.
   */
  #expiry(wanted: number | undefined, issuedAt?: number, validUntil = Number.POSITIVE_INFINITY): string {
    const now = this.#dependencies.now();
    const expiresAt = Math.min(wanted ?? defaultExpiry(issuedAt ?? now), validUntil);
    if (expiresAt <= now && wanted !== expiresAt) throw malformed("expired", "the manifest has expired");
    if (expiresAt <= now || expiresAt > now + MAX_LIFETIME_MILLISECONDS)
      throw malformed("expiry-invalid", "the expiry must lie in the future, and at most 20 years ahead");
    return wholeSeconds(expiresAt);
  }

  /** An administrator may, and should know: from now on the signer's manifests are refused for these names. */
  #takenFromSigners(drafts: ReadonlyMap<string, EntryDraft>): readonly string[] {
    return Array.from(drafts).flatMap(([name, { provenance }]) => {
      const signer = this.find(name)?.provenance.signer;
      if (signer === undefined || provenance.vouchedBy === "signer") return [];
      return [`${shown(name)} was vouched for by signer ${signer}, who can no longer set it`];
    });
  }

  /** What is stored already, when a manifest that nobody but its signer stands behind is sent again. */
  #asStored(drafts: ReadonlyMap<string, EntryDraft>): readonly ReferenceValue[] | undefined {
    const stored: ReferenceValue[] = [];
    for (const [name, { provenance, expiresAt }] of drafts) {
      const current = this.find(name);
      if (current === undefined || provenance.administrator !== undefined) return undefined;
      const { payloadDigest, signer } = current.provenance;
      const same = payloadDigest === provenance.payloadDigest && signer === provenance.signer;
      if (!same || current.expiresAt !== expiresAt) return undefined;
      stored.push(current);
    }
    return stored;
  }

  async #put(
    drafts: ReadonlyMap<string, EntryDraft>,
    by: string,
    signal: AbortSignal,
  ): Promise<readonly ReferenceValue[]> {
    return this.#change(signal, async () => {
      const documents = Array.from(drafts, ([name, draft]) => this.#document(name, draft));
      this.#checkRoom(drafts);
      const provenance = { by, at: this.#timestamp() };
      const stored = await putAll(this.#dependencies.store, documents, provenance, signal);
      const entries = new Map(this.#entries);
      const values = stored.flatMap((document) => {
        const entry = parseEntry(document);
        entries.set(entry.name, entry);
        return entry.current === undefined ? [] : [entry.current];
      });
      this.#entries = entries;
      return values;
    });
  }

  #document(name: string, draft: EntryDraft): DocumentDraft {
    const entry = this.#entries.get(name);
    checkReplacement(name, entry, draft.provenance);
    return { name, text: printEntry(name, draft, this.#floor(entry, draft.provenance)) };
  }

  #checkRoom(drafts: ReadonlyMap<string, EntryDraft>): void {
    const fresh = [...drafts.keys()].filter((name) => !this.#entries.has(name)).length;
    if (this.#entries.size + fresh > MAX_REFERENCE_VALUES)
      throw malformed(
        "too-many-values",
        `at most ${MAX_REFERENCE_VALUES} reference values can be stored; delete some first`,
      );
  }

  /**
   * What a signer vouched for, once replaced or withdrawn, must not come back by an old manifest. Manifests that say
   * when they were made are told apart by that.
   */
  #floor(entry: StoredEntry | undefined, next: ValueProvenance | undefined): string | undefined {
    if (next?.vouchedBy === "signer") return next.issuedAt === undefined ? this.#timestamp() : entry?.floor;
    return entry?.current?.provenance.vouchedBy === "signer" ? this.#timestamp() : entry?.floor;
  }

  async #delete(name: string, signal: AbortSignal): Promise<boolean> {
    const was = await this.#dependencies.store.delete(name, signal);
    const entries = new Map(this.#entries);
    entries.delete(name);
    this.#entries = entries;
    return was;
  }

  #timestamp(): string {
    return new Date(this.#dependencies.now()).toISOString();
  }

  /** What a failed registration could not put back is put back first: later, it would undo what was done since. */
  #change<T>(signal: AbortSignal, change: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await recover(this.#dependencies.store, signal);
      return change();
    });
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#lastChange.catch(() => undefined).then(change);
    this.#lastChange = mine.catch(() => undefined);
    return mine;
  }
}
