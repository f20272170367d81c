import { KbsError } from "../../errors.ts";
import type { ResourcePath } from "../../protocol/resource-path.ts";
import type { SecretStore } from "../secret-store.ts";

export interface MemorySecretStoreOptions {
  /** Sum of the lengths of all values. */
  readonly maxTotalBytes?: number;
  readonly maxSecrets?: number;
}

/** Secrets in the process: gone at its end. For trying, for tests, and for sealed deployments that refill. */
export class MemorySecretStore implements SecretStore {
  readonly #values = new Map<ResourcePath, Uint8Array>();
  readonly #maxTotalBytes: number;
  readonly #maxSecrets: number;
  #totalBytes = 0;

  constructor(options: MemorySecretStoreOptions = {}) {
    this.#maxTotalBytes = options.maxTotalBytes ?? 256 * 1024 * 1024;
    this.#maxSecrets = options.maxSecrets ?? 100_000;
  }

  async get(path: ResourcePath, signal: AbortSignal): Promise<Uint8Array | undefined> {
    signal.throwIfAborted();
    const value = this.#values.get(path);
    // A copy: what one request does to its value must not reach the next.
    return value === undefined ? undefined : Uint8Array.from(value);
  }

  async put(
    path: ResourcePath,
    value: Uint8Array,
    options: { readonly overwrite: boolean },
    signal: AbortSignal,
  ): Promise<"stored" | "exists"> {
    signal.throwIfAborted();
    const old = this.#values.get(path);
    if (old !== undefined && !options.overwrite) return "exists";
    const total = this.#totalBytes - (old?.length ?? 0) + value.length;
    if (total > this.#maxTotalBytes || (old === undefined && this.#values.size >= this.#maxSecrets))
      throw full();
    this.#values.set(path, Uint8Array.from(value));
    this.#totalBytes = total;
    return "stored";
  }

  async delete(path: ResourcePath, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const old = this.#values.get(path);
    if (old === undefined) return false;
    old.fill(0);
    this.#totalBytes -= old.length;
    return this.#values.delete(path);
  }

  async *list(signal: AbortSignal): AsyncIterable<ResourcePath> {
    for (const path of this.#values.keys()) {
      signal.throwIfAborted();
      yield path;
    }
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
  }

  async close(): Promise<void> {
    for (const value of this.#values.values()) value.fill(0);
    this.#values.clear();
    this.#totalBytes = 0;
  }
}

function full(): KbsError {
  return new KbsError(
    "storage-unavailable",
    "The in-memory secret store is full; delete secrets or raise secrets.memory.maxTotalBytes.",
  );
}
