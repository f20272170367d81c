import { KbsError } from "../../errors.ts";
import type { ResourcePath } from "../../protocol/resource-path.ts";
import type { VaultClient } from "../../vault/client.ts";
import { VaultFault, type VaultReason } from "../../vault/fault.ts";
import type { SecretStore } from "../secret-store.ts";
import type { KeyValueEngine } from "./engines.ts";
import type { PlaceTemplate } from "./places.ts";
import { printValue, readValue, ValueFault, type ValueFormat } from "./values.ts";

export interface VaultSecretStoreOptions {
  readonly client: VaultClient;
  readonly engine: KeyValueEngine;
  readonly places: PlaceTemplate;
  /** Member of a secret in Vault that holds the value. */
  readonly field: string;
  readonly format: ValueFormat;
  /** Hears of every failure, by its reason. */
  readonly onFailure?: (reason: VaultReason | "value") => void;
  /** Hears of secrets in Vault that are not as this store writes them. */
  readonly reportFault: (fault: { readonly file: string; readonly reason: string }) => void;
}

const MAX_LISTED = 1_000_000;

/** Secrets in the key/value engine of HashiCorp Vault or OpenBao. */
export class VaultSecretStore implements SecretStore {
  readonly #parts: VaultSecretStoreOptions;

  constructor(parts: VaultSecretStoreOptions) {
    this.#parts = parts;
  }

  async get(path: ResourcePath, signal: AbortSignal): Promise<Uint8Array | undefined> {
    signal.throwIfAborted();
    const { engine, places, field, format } = this.#parts;
    const place = places.placeOf(path);
    return this.#guarded(place, async () => {
      const data = await engine.read(place, signal);
      return data === undefined ? undefined : readValue(data, field, format);
    });
  }

  async put(
    path: ResourcePath,
    value: Uint8Array,
    { overwrite }: { readonly overwrite: boolean },
    signal: AbortSignal,
  ): Promise<"stored" | "exists"> {
    signal.throwIfAborted();
    const { engine, places, field, format } = this.#parts;
    const place = places.placeOf(path);
    const data = { [field]: printValue(value, format) };
    const stored = await this.#guarded(place, () => engine.write(place, data, overwrite, signal));
    return stored ? "stored" : "exists";
  }

  async delete(path: ResourcePath, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const { engine, places } = this.#parts;
    const place = places.placeOf(path);
    return this.#guarded(place, () => engine.delete(place, signal));
  }

  /** Walks Vault's folders; deleted secrets, which version 2 goes on listing, are left out. */
  async *list(signal: AbortSignal): AsyncIterable<ResourcePath> {
    let listed = 0;
    for await (const place of this.#walk([], signal)) {
      const path = this.#parts.places.pathAt(place);
      if (path === undefined) continue;
      if (++listed > MAX_LISTED)
        throw new KbsError("overloaded", "There are too many secrets in Vault to list.");
      const name = place.join("/");
      if (await this.#guarded(name, () => this.#parts.engine.exists(name, signal))) yield path;
    }
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#guarded("", () => this.#parts.client.ready(signal));
  }

  async close(): Promise<void> {
    this.#parts.client.close();
  }

  async *#walk(above: readonly string[], signal: AbortSignal): AsyncIterable<readonly string[]> {
    const { engine, places } = this.#parts;
    const names = await this.#guarded(above.join("/"), () => engine.list(above.join("/"), signal));
    for (const name of names) {
      signal.throwIfAborted();
      const plain = name.endsWith("/") ? name.slice(0, -1) : name;
      const isLeaf = above.length === places.depth - 1;
      if (!places.fits(above.length, plain) || name.endsWith("/") === isLeaf) continue;
      if (isLeaf) yield [...above, plain];
      else yield* this.#walk([...above, plain], signal);
    }
  }

  async #guarded<T>(place: string, work: () => Promise<T>): Promise<T> {
    const { onFailure, reportFault } = this.#parts;
    try {
      return await work();
    } catch (error) {
      if (error instanceof ValueFault) {
        onFailure?.("value");
        reportFault({ file: place, reason: error.message });
        throw unavailable("The secret in Vault is not in the form that this server reads", error);
      }
      if (!(error instanceof VaultFault)) throw error;
      onFailure?.(error.reason);
      throw unavailable(publicSentence(error.reason), error);
    }
  }
}

/** Guests learn what kind of trouble it is, and nothing of Vault's paths. */
function publicSentence(reason: VaultReason): string {
  const known: Partial<Record<VaultReason, string>> = {
    sealed: "The secret store is sealed",
    denied: "The secret store denies this server the secret",
    "login-refused": "The secret store refuses this server's login",
    timeout: "The secret store did not answer in time",
    unreachable: "The secret store cannot be reached",
    certificate: "The secret store's certificate is not trusted",
    "rate-limited": "The secret store limits this server's requests",
  };
  return known[reason] ?? "The secret store failed";
}

function unavailable(sentence: string, cause: Error): KbsError {
  return new KbsError("storage-unavailable", `${sentence}; the log has the reason.`, {
    cause,
    ...(cause instanceof VaultFault ? { extra: { reason: cause.reason } } : {}),
  });
}
