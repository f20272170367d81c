import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { KbsError } from "../../errors.ts";
import { type AmdMaterial, mergeMaterial, NO_MATERIAL, readMaterial } from "./amd-material.ts";

const MAX_FILES = 1024;
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads all certificates and revocation lists that lie in a folder. Files of other kinds are passed over; a file
 * with the name of one that cannot be read is a fault.
 *
 * @param recursive - whether folders below it are read as well
 * @throws KbsError `collateral-unavailable` when the folder cannot be read
 */
export async function readMaterialFolder(folder: string, recursive = false): Promise<AmdMaterial> {
  const found = await readdir(folder, { recursive }).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const names = found.filter((name) => /\.(?:der|cer|crt|pem|crl|bin|json)$/i.test(name)).sort();
  if (names.length > MAX_FILES)
    return { ...NO_MATERIAL, faults: [`the folder holds more than ${MAX_FILES} files`] };
  const parts: AmdMaterial[] = [];
  for (const name of names) parts.push(await readMaterialFile(join(folder, name), name));
  return mergeMaterial(parts);
}

/**
 * @param name - for faults, which guests get to read: within a folder, not where on the machine it is
 * @throws KbsError `collateral-unavailable` when the file cannot be read; what it holds may still be a fault
 */
export async function readMaterialFile(path: string, name = path): Promise<AmdMaterial> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (bytes.length > MAX_FILE_BYTES)
    return { ...NO_MATERIAL, faults: [`${name} is larger than ${MAX_FILE_BYTES} bytes`] };
  return readMaterial(bytes, name);
}

/**
 * One file below the folder, by a path made of digits and fixed words.
 *
 * @returns undefined when there is none
 * @throws KbsError `collateral-unavailable` on any other trouble: a broken store must not look like an empty one
 */
export async function readStoreFile(
  folder: string,
  ...parts: readonly string[]
): Promise<Buffer | undefined> {
  try {
    const bytes = await readFile(join(folder, ...parts));
    if (bytes.length <= MAX_FILE_BYTES) return bytes;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw unreadable("the offline folder", error);
  }
  throw new KbsError("collateral-unavailable", "a file of the offline folder is too large");
}

function isAbsent(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
}

function unreadable(what: string, cause: unknown): KbsError {
  return new KbsError("collateral-unavailable", `${what} cannot be read`, { cause });
}
