import type { ResourcePath } from "../protocol/resource-path.ts";

/** Where secrets rest. Values are opaque bytes, zero length included. */
export interface SecretStore {
  /** Absent is not an error. */
  get(path: ResourcePath, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Durable when it returns; a reader sees the old value or the new one, never a mixture.
   * @param options.overwrite - false: leave an existing value alone and answer `exists`
   */
  put(
    path: ResourcePath,
    value: Uint8Array,
    options: { readonly overwrite: boolean },
    signal: AbortSignal,
  ): Promise<"stored" | "exists">;
  /** @returns whether it was there */
  delete(path: ResourcePath, signal: AbortSignal): Promise<boolean>;
  list(signal: AbortSignal): AsyncIterable<ResourcePath>;
  /** @throws KbsError `storage-unavailable` */
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
