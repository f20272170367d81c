import { join } from "node:path";
import { FsSecretStore } from "../../src/secrets/fs/index.ts";
import { MemorySecretStore } from "../../src/secrets/memory/index.ts";
import type { StorageFault } from "../../src/storage/faults.ts";
import { temporaryFolder } from "../support/folder.ts";
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
