import type { ReportFault } from "../storage/faults.ts";
import { FsSecretStore } from "./fs/index.ts";
import { MemorySecretStore } from "./memory/index.ts";
import type { SecretStore } from "./secret-store.ts";
import { openVaultStore, type VaultStoreConfig, type VaultStoreDependencies } from "./vault/open.ts";

export { PlaceTemplate } from "./vault/places.ts";
export { VALUE_FORMATS } from "./vault/values.ts";

/** What the `secrets` section of the configuration says, as far as stores care. */
export interface SecretStoreConfig {
  readonly driver: SecretStoreDriver;
  readonly fs: { readonly folder: string; readonly cacheBytes: number };
  readonly memory: { readonly maxTotalBytes: number; readonly maxSecrets: number };
  /** Present with the driver `vault`. */
  readonly vault?: VaultStoreConfig | undefined;
}

export interface SecretStoreDependencies {
  /** Hears of files a store found and cannot use. */
  readonly reportFault: ReportFault;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** What stores elsewhere need of the world. */
  readonly remote: Omit<VaultStoreDependencies, "reportFault">;
}

type Create = (config: SecretStoreConfig, dependencies: SecretStoreDependencies) => Promise<SecretStore>;

/** Every secret store there is, by the name `secrets.driver` gives it. Stores do not register themselves. */
const STORES = {
  fs: ({ fs }, { reportFault, now }) =>
    FsSecretStore.open(fs.folder, reportFault, { cacheBytes: fs.cacheBytes, now }),
  vault: async ({ vault }, { reportFault, remote }) => {
    if (vault === undefined) throw new RangeError("the driver vault needs its options");
    return openVaultStore(vault, { ...remote, reportFault });
  },
  memory: async (config) => new MemorySecretStore(config.memory),
} as const satisfies Record<string, Create>;

export const SECRET_STORE_DRIVERS = ["fs", "memory", "vault"] as const;
export type SecretStoreDriver = (typeof SECRET_STORE_DRIVERS)[number];

/** @throws KbsError `storage-unavailable` */
export async function createSecretStore(
  config: SecretStoreConfig,
  dependencies: SecretStoreDependencies,
): Promise<SecretStore> {
  const create: Create = STORES[config.driver];
  return create(config, dependencies);
}
