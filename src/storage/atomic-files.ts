import { randomBytes } from "node:crypto";
import { type BigIntStats, constants, lstat } from "node:fs";
import { chmod, link, mkdir, open, opendir, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Durable file replacement: whoever reads sees the old bytes or the new ones, and what was reported as
 * written is still there after a power cut. The recipe is the usual one: a temporary file in the same
 * folder, fsync, rename (or link), fsync of the folder.
 */

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** A leading dot: no encoded name begins with one. The process id tells a living writer's file from a leftover. */
const TEMPORARY = /^\.tmp-(\d{1,10})-[0-9a-f]{16}$/;
const writing = new Set<string>();

/** Replaces or creates `path`. Durable when it returns. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  await withTemporary(path, bytes, (temporary) => rename(temporary, path));
}

/**
 * Creates `path` only if nothing is there: `link` fails where `rename` would overwrite.
 * @returns whether it was created
 */
export async function createFile(path: string, bytes: Uint8Array): Promise<boolean> {
  let created = true;
  await withTemporary(path, bytes, async (temporary) => {
    created = await linkIfAbsent(temporary, path);
    await unlink(temporary);
  });
  return created;
}

/** @returns whether it was there; durable when it returns true */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return false;
    throw error;
  }
  await syncFolder(dirname(path));
  return true;
}

/**
 * Whole content of a regular file, or `undefined` if there is none. Symbolic links are not followed.
 * @param onStatus - hears what the file was that is being read
 * @throws Error when it is something else or longer than `maxBytes`
 */
export async function readRegularFile(
  path: string,
  maxBytes: number,
  onStatus?: (status: BigIntStats) => void,
): Promise<Buffer | undefined> {
  const handle = await openForReading(path);
  if (handle === undefined) return undefined;
  try {
    const status = await handle.stat({ bigint: true });
    if (!status.isFile()) throw new Error("not a regular file");
    if (status.size > BigInt(maxBytes)) throw new Error(`longer than ${maxBytes} bytes`);
    onStatus?.(status);
    const buffer = Buffer.allocUnsafeSlow(Number(status.size));
    const length = await fill(handle, buffer);
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

let lastFolder: Promise<void> = Promise.resolve();

/** What lies at `path`, links not followed; `undefined` if nothing does. */
export function describeFile(path: string): Promise<BigIntStats | undefined> {
  // The callback form costs half of what the promise form does, and every release comes through here.
  return new Promise((resolve, reject) => {
    lstat(path, { bigint: true }, (error, status) => {
      if (error === null) resolve(status);
      else if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) resolve(undefined);
      else reject(error);
    });
  });
}

/** Makes `path` and what is missing above it, private to this user, and makes the entries durable. */
export async function ensureFolder(path: string): Promise<void> {
  // One after the other: whoever finds a folder there may rely on its maker having made it durable.
  const made = lastFolder.then(() => makeFolder(path));
  lastFolder = made.catch(() => undefined);
  await made;
}

async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** Makes a folder that others prepared (a mounted volume, say) private to this user. */
export async function makePrivate(path: string): Promise<void> {
  const status = await stat(path);
  if ((status.mode & 0o077) !== 0) await chmod(path, FOLDER_MODE);
}

/**
 * Removes temporary files whose writer is gone. A file of a living process is left alone: it may be about
 * to be renamed.
 * @returns how many were removed
 */
export async function removeLeftovers(folder: string): Promise<number> {
  let removed = 0;
  for await (const entry of await opendir(folder)) {
    if (!isLeftover(folder, entry.name)) continue;
    await unlink(join(folder, entry.name)).catch(ignoreMissing);
    removed++;
  }
  return removed;
}

/** Whether `name` is one of our temporary files. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}

async function withTemporary(
  path: string,
  bytes: Uint8Array,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.tmp-${process.pid}-${randomBytes(8).toString("hex")}`);
  writing.add(temporary);
  try {
    await writeNew(temporary, bytes);
    await place(temporary);
    await syncFolder(folder);
  } catch (error) {
    await unlink(temporary).catch(ignoreMissing);
    throw error;
  } finally {
    writing.delete(temporary);
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx", FILE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

async function openForReading(path: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    // O_NONBLOCK: opening a planted named pipe must not wait for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
    throw error;
  }
}

async function fill(handle: Awaited<ReturnType<typeof open>>, buffer: Buffer): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

function isLeftover(folder: string, name: string): boolean {
  const process_ = TEMPORARY.exec(name)?.[1];
  if (process_ === undefined) return false;
  const id = Number(process_);
  // In a container every life of the server has the same id, so our own id proves nothing.
  return id === process.pid ? !writing.has(join(folder, name)) : !isAlive(id);
}

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return isErrno(error, "EPERM");
  }
}

function ignoreMissing(error: unknown): void {
  if (!isErrno(error, "ENOENT")) throw error;
}
