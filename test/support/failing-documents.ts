import { KbsError } from "../../src/errors.ts";
import type { DocumentStore, Provenance, StoredDocument } from "../../src/storage/document-store.ts";

/** A store whose writes fail from the `failAt`th on, counted from 1; `mend` makes it work again. */
export class FailingDocuments implements DocumentStore {
  readonly #inner: DocumentStore;
  #writes = 0;
  failAt = Number.POSITIVE_INFINITY;

  constructor(inner: DocumentStore) {
    this.#inner = inner;
  }

  get writes(): number {
    return this.#writes;
  }

  breakAt(write: number): void {
    this.#writes = 0;
    this.failAt = write;
  }

  mend(): void {
    this.failAt = Number.POSITIVE_INFINITY;
  }

  get(name: string, signal: AbortSignal): Promise<StoredDocument | undefined> {
    return this.#inner.get(name, signal);
  }

  async put(
    name: string,
    text: string,
    provenance: Provenance,
    signal: AbortSignal,
  ): Promise<StoredDocument> {
    this.#count();
    return this.#inner.put(name, text, provenance, signal);
  }

  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    this.#count();
    return this.#inner.delete(name, signal);
  }

  list(signal: AbortSignal): AsyncIterable<StoredDocument> {
    return this.#inner.list(signal);
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#inner.ready(signal);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #count(): void {
    this.#writes += 1;
    if (this.#writes >= this.failAt) throw new KbsError("storage-unavailable", "The disk is full.");
  }
}
