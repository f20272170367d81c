import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * A folder of vendor collateral that survives restarts. What it gives back is verified like anything else, so
 * a file that somebody changed is of no use to them. Losing a write costs a request, never correctness.
 */
export class FileCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns undefined when there is no such entry, or it cannot be read */
  async get(name: string): Promise<Buffer | undefined> {
    return await readFile(this.#path(name)).catch(() => undefined);
  }

  /** Writes aside and renames, so that a reader sees the old entry or the new one, whole. */
  async put(name: string, value: Uint8Array): Promise<void> {
    const path = this.#path(name);
    const aside = `${path}.${randomUUID()}`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeDurably(aside, value);
      await rename(aside, path);
    } catch {
      await rm(aside, { force: true }).catch(() => undefined);
    }
  }

  async delete(name: string): Promise<void> {
    await rm(this.#path(name), { force: true }).catch(() => undefined);
  }

  /** Names come from digits and fixed words; anything else is a fault of the caller. */
  #path(name: string): string {
    if (!/^[a-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*\.(?:der|crl|json|pem)$/.test(name))
      throw new RangeError("not a cache name");
    return join(this.#folder, name);
  }
}

async function writeDurably(path: string, value: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(value);
    await file.sync();
  } finally {
    await file.close();
  }
}
