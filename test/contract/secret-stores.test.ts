import { join } from "node:path";
import { FsSecretStore } from "../../src/secrets/fs/index.ts";
import { MemorySecretStore } from "../../src/secrets/memory/index.ts";
import { keyValue1, keyValue2 } from "../../src/secrets/vault/engines.ts";
import { VaultSecretStore } from "../../src/secrets/vault/index.ts";
import { PlaceTemplate } from "../../src/secrets/vault/places.ts";
import type { StorageFault } from "../../src/storage/faults.ts";
import { VaultClient } from "../../src/vault/client.ts";
import { tokenLogin } from "../../src/vault/login.ts";
import { temporaryFolder } from "../support/folder.ts";
import { VaultServer } from "../support/vault-server.ts";
import { secretStoreContract } from "./secret-store.ts";

secretStoreContract("memory", async () => ({ store: new MemorySecretStore(), dispose: async () => {} }));

async function openFs(cacheBytes: number) {
  const { path, dispose } = await temporaryFolder();
  const unexpected = ({ file, reason }: StorageFault): never => {
    throw new Error(`unexpected fault: ${file}: ${reason}`);
  };
  const options = { cacheBytes, now: () => Date.now() + 3_600_000 };
  return { store: await FsSecretStore.open(join(path, "secrets"), unexpected, options), dispose };
}

secretStoreContract("fs, every read from the file", () => openFs(0));
secretStoreContract("fs, recent reads kept in memory", () => openFs(1 << 20));

for (const [engine, format] of [
  [1, "base64"],
  [1, "trustee"],
  [2, "base64"],
] as const)
  secretStoreContract(`Vault's key/value engine, version ${engine}, ${format}`, async () => {
    const server = await VaultServer.start();
    server.mount("kv", engine);
    const client = new VaultClient({
      address: server.address,
      tls: {},
      timeoutMilliseconds: 10_000,
      maxConnections: 32,
      login: tokenLogin(async () => server.root),
      onEvent: () => undefined,
    });
    const store = new VaultSecretStore({
      client,
      engine: engine === 1 ? keyValue1(client, "kv") : keyValue2(client, "kv"),
      places: new PlaceTemplate("{repository}/{type}/{tag}"),
      field: "data",
      format,
      reportFault: () => undefined,
    });
    return { store, dispose: () => server.stop() };
  });
