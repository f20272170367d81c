import { readJson } from "../../json/read.ts";
import type { JsonValue } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import type { ReferenceValueLookup } from "../../policy/policy-engine.ts";
import type { DocumentStore, StoredDocument } from "../../storage/document-store.ts";
import { checkReferenceValueName, invalid, MESSAGE_VERSION, parseMessage } from "./message.ts";

/** What an appraisal compares claims with, under an opaque name such as `rvps:///example.org/tdx/mr_td:v1`. */
export interface ReferenceValue {
  readonly name: string;
  readonly value: JsonValue;
  /** RFC 3339, whole seconds, UTC. From this moment on the value counts as unknown. */
  readonly expiresAt: string;
  readonly by: string;
  /** RFC 3339 */
  readonly at: string;
  /** Counts replacements, from 1. */
  readonly version: number;
}

export interface ReferenceValuesDependencies {
  readonly store: DocumentStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hears of stored values that cannot be read; they count as unknown. */
  readonly reportFault: (fault: { readonly name: string; readonly reason: string }) => void;
}

/** Longest value as JSON text, in characters. */
const MAX_VALUE_LENGTH = 1024 * 1024;
const LIFETIME_MONTHS = 12;
const MAX_REFERENCE_VALUES = 100_000;

/** Provisioned measurements: registered by administrators, asked for by policies, unknown once expired. */
export class ReferenceValues {
  readonly #dependencies: ReferenceValuesDependencies;
  #values: ReadonlyMap<string, ReferenceValue> = new Map();
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(dependencies: ReferenceValuesDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws KbsError `storage-unavailable` */
  static async open(
    dependencies: ReferenceValuesDependencies,
    signal: AbortSignal,
  ): Promise<ReferenceValues> {
    const values = new ReferenceValues(dependencies);
    await values.refresh(signal);
    return values;
  }

  /**
   * Registers what a message of the provider protocol names, replacing values of the same names. Nothing is
   * registered unless the whole message is good.
   *
   * @returns the names, in the order of the message
   * @throws KbsError `reference-value-invalid`, `storage-unavailable`
   */
  async register(message: JsonValue, by: string, signal: AbortSignal): Promise<readonly string[]> {
    const values = parseMessage(message);
    const expiresAt = this.#defaultExpiry();
    const texts = [...values].map(([name, value]) => ({ name, text: printValue(name, value, expiresAt) }));
    await this.#inTurn(async () => {
      for (const { name, text } of texts) await this.#store(name, text, by, signal);
    });
    return [...values.keys()];
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
    const expiresAt =
      options.expiresAt === undefined ? this.#defaultExpiry() : wholeSeconds(options.expiresAt);
    const text = printValue(name, value, expiresAt);
    return this.#inTurn(() => this.#store(name, text, options.by, signal));
  }

  /** Unexpired only. */
  get(name: string): ReferenceValue | undefined {
    const found = this.#values.get(name);
    return found === undefined || this.isExpired(found) ? undefined : found;
  }

  /** Sorted by name; expired values are in it, so that a person can see why a policy does not find them. */
  list(): readonly ReferenceValue[] {
    return [...this.#values.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  isExpired(value: ReferenceValue): boolean {
    return Date.parse(value.expiresAt) <= this.#dependencies.now();
  }

  /**
   * @returns whether it was there, expired or not
   * @throws KbsError `storage-unavailable`
   */
  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(async () => {
      const was = await this.#dependencies.store.delete(name, signal);
      const values = new Map(this.#values);
      values.delete(name);
      this.#values = values;
      return was;
    });
  }

  /** For one evaluation: every answer of the returned function comes from the values of this moment. */
  snapshot(): ReferenceValueLookup {
    const values = this.#values;
    const now = this.#dependencies.now();
    return async (ids, signal) => {
      signal.throwIfAborted();
      const answer = new Map<string, JsonValue>();
      for (const id of ids) {
        const found = values.get(id);
        const known = found !== undefined && Date.parse(found.expiresAt) > now;
        answer.set(id, known ? found.value : null);
      }
      return answer;
    };
  }

  /** Reads the store anew, for stores that others write as well. */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const values = new Map<string, ReferenceValue>();
      for await (const document of this.#dependencies.store.list(signal)) {
        const value = this.#read(document);
        if (value !== undefined) values.set(value.name, value);
      }
      this.#values = values;
    });
  }

  #read(document: StoredDocument): ReferenceValue | undefined {
    try {
      return parseStored(document);
    } catch {
      this.#dependencies.reportFault({
        name: document.name,
        reason: "the stored reference value is not readable",
      });
      return undefined;
    }
  }

  async #store(name: string, text: string, by: string, signal: AbortSignal): Promise<ReferenceValue> {
    if (!this.#values.has(name) && this.#values.size >= MAX_REFERENCE_VALUES)
      throw invalid(`${MAX_REFERENCE_VALUES} reference values are stored already; delete some first`);
    const at = new Date(this.#dependencies.now()).toISOString();
    const stored = parseStored(await this.#dependencies.store.put(name, text, { by, at }, signal));
    this.#values = new Map(this.#values).set(name, stored);
    return stored;
  }

  #defaultExpiry(): string {
    const date = new Date(this.#dependencies.now());
    const day = date.getUTCDate();
    date.setUTCMonth(date.getUTCMonth() + LIFETIME_MONTHS);
    // From a 29 February the date rolls over into March; the last day of the month is meant.
    if (date.getUTCDate() !== day) date.setUTCDate(0);
    return date.toISOString().replace(/\.\d{3}Z$/, "Z");
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#lastChange.catch(() => undefined).then(change);
    this.#lastChange = mine.catch(() => undefined);
    return mine;
  }
}

/** The form in which the provider protocol stores a value (Trustee RVPS). */
function printValue(name: string, value: JsonValue, expiration: string): string {
  const text = writeJson({ version: MESSAGE_VERSION, name, expiration, value });
  if (text.length > MAX_VALUE_LENGTH) throw invalid(`the value of ${JSON.stringify(name)} is too long`);
  return text;
}

function parseStored({ name, text, version, by, at }: StoredDocument): ReferenceValue {
  const object = readJson(text);
  const value = isObject(object) ? member(object, "value") : undefined;
  const expiresAt = isObject(object) ? member(object, "expiration") : undefined;
  // A value without a readable expiry would never expire.
  if (value === undefined || typeof expiresAt !== "string" || Number.isNaN(Date.parse(expiresAt)))
    throw new Error("not a stored reference value");
  return Object.freeze({ name, value, expiresAt, version, by, at });
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

function wholeSeconds(timestamp: string): string {
  const time = RFC3339.test(timestamp) ? Date.parse(timestamp) : Number.NaN;
  if (Number.isNaN(time)) throw invalid("the expiry must be a time such as 2027-01-31T00:00:00Z");
  return new Date(Math.floor(time / 1000) * 1000).toISOString().replace(/\.\d{3}Z$/, "Z");
}
