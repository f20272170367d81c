import { join } from "node:path";
import { FsSecretStore } from "../../src/secrets/fs/index.ts";
import { MemorySecretStore } from "../../src/secrets/memory/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { secretStoreContract } from "./secret-store.ts";

secretStoreContract("memory", async () => ({ store: new MemorySecretStore(), dispose: async () => {} }));

secretStoreContract("fs", async () => {
  const { path, dispose } = await temporaryFolder();
  const store = await FsSecretStore.open(join(path, "secrets"), ({ file, reason }) => {
    throw new Error(`unexpected fault: ${file}: ${reason}`);
  });
  return { store, dispose };
});
