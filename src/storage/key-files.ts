import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { KbsError } from "../errors.ts";
import { createFile, ensureFolder, readRegularFile } from "./atomic-files.ts";

const MAX_KEY_FILE_BYTES = 1024;

/**
 * Reads a random key of this installation, and makes it when the file is not there: raw bytes, mode 0600.
 * Several processes may start at once; one of them makes the key, all of them use it.
 *
 * @throws KbsError `storage-unavailable`; `internal` when the file holds another number of bytes
 */
export async function loadOrCreateKey(path: string, bytes: number): Promise<Buffer> {
  await ensureFolder(dirname(path));
  await createFile(path, randomBytes(bytes));
  const key = await readRegularFile(path, MAX_KEY_FILE_BYTES);
  if (key?.length !== bytes) throw new KbsError("internal", `${path}: it must hold ${bytes} bytes.`);
  return key;
}
