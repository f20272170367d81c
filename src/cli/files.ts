import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type CommandFailure, misuse, type World } from "./world.ts";

/** @throws CommandFailure (misuse) naming the file and why it cannot be read */
export async function readNamedFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, what, error);
  }
}

/** @param error - what the file system threw */
export function unreadable(path: string, what: string, error: unknown): CommandFailure {
  return misuse(`The ${what} ${path} cannot be read: ${reasonOf(error)}.`);
}

/** `-` is standard input, so that a secret need not touch a disk. */
export function readNamedFileOrInput(path: string, what: string, world: World): Promise<Buffer> {
  return path === "-" ? world.readInput() : readNamedFile(path, what);
}

/**
 * Writes a new file that appears whole or not at all, and never replaces one: a key that is overwritten is gone.
 *
 * @param mode - permission bits, say 0o600
 * @throws CommandFailure (misuse)
 */
export async function writeNewFile(path: string, content: string, mode: number): Promise<void> {
  try {
    const file = await open(path, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw misuse(`${path} cannot be written: ${reasonOf(error)}.`);
  }
}

/** Writes a file that readers see whole, replacing an earlier one. */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await writeNewFile(aside, content, mode);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw misuse(`${path} cannot be written in ${dirname(path)}: ${reasonOf(error)}.`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "this user may not",
  EEXIST: "it is there already; move it away first",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
};

function reasonOf(error: unknown): string {
  return REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : "unknown reason");
}

/** The code of a system error, say `ENOENT`; empty when there is none. */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
