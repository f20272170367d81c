import { KbsError } from "../errors.ts";
import { checkDocument, type DocumentStore, type Provenance, type StoredDocument } from "./document-store.ts";

const DEFAULT_MAX_DOCUMENTS = 100_000;

/** Documents in the process: gone at its end. */
export class MemoryDocumentStore implements DocumentStore {
  readonly #documents = new Map<string, StoredDocument>();
  readonly #maxDocuments: number;

  constructor(maxDocuments: number = DEFAULT_MAX_DOCUMENTS) {
    this.#maxDocuments = maxDocuments;
  }

  async get(name: string, signal: AbortSignal): Promise<StoredDocument | undefined> {
    signal.throwIfAborted();
    return this.#documents.get(name);
  }

  async put(
    name: string,
    text: string,
    provenance: Provenance,
    signal: AbortSignal,
  ): Promise<StoredDocument> {
    signal.throwIfAborted();
    checkDocument(name, text);
    const old = this.#documents.get(name);
    if (old === undefined && this.#documents.size >= this.#maxDocuments)
      throw new KbsError("storage-unavailable", `The store already holds ${this.#maxDocuments} documents.`);
    const { by, at } = provenance;
    const document = Object.freeze({ name, text, version: (old?.version ?? 0) + 1, by, at });
    this.#documents.set(name, document);
    return document;
  }

  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    return this.#documents.delete(name);
  }

  async *list(signal: AbortSignal): AsyncIterable<StoredDocument> {
    for (const document of this.#documents.values()) {
      signal.throwIfAborted();
      yield document;
    }
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
  }

  async close(): Promise<void> {
    this.#documents.clear();
  }
}
