import type { JsonObject } from "../../../../json/value.ts";
import type { HashName } from "../algorithms.ts";
import type { LogEvent, RegisterKind } from "../event-log.ts";

/** An event that the signed registers cover. */
export interface CoveredEvent {
  readonly event: LogEvent;
  /** Whether its digest covers its data; without that the data says nothing. */
  readonly bound: boolean;
  /** The verified digest, in lower-case hexadecimal. */
  readonly digest: string;
  readonly kind: RegisterKind;
  /** Whether the register's separator came before: firmware has handed over. */
  readonly afterSeparator: boolean;
  /** By its digest, whatever the log calls it. */
  readonly isSeparator: boolean;
  readonly algorithm: HashName;
}

/** Gathers one group of facts from a log's covered events, in order, keeping no event. */
export interface FactCollector {
  add(covered: CoveredEvent): void;
  /** Members of the claim `eventlog`; none when nothing was measured. */
  facts(): JsonObject;
}

/** Entries of one list in claims; a log can name a hundred thousand files. */
export const MOST_ENTRIES = 200;

/**
 * A list that stops growing. Whoever boots a machine may measure two hundred good things before a bad one, so the end of
 * what is told is an entry of its own, which no policy finds among good ones.
 */
export class BoundedList<T> {
  readonly items: T[] = [];
  readonly #more: T;

  /** @param more - stands for all that was left out; empty where a value would be */
  constructor(more: T) {
    this.#more = more;
  }

  add(item: T): void {
    if (this.items.length < MOST_ENTRIES) this.items.push(item);
    else if (this.items.length === MOST_ENTRIES) this.items.push(this.#more);
  }

  get empty(): boolean {
    return this.items.length === 0;
  }
}
