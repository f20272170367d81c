import { type BigIntStats, constants, type Dirent } from "node:fs";
import { access, opendir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { KbsError } from "../../errors.ts";
import { parseResourcePath, type ResourcePath } from "../../protocol/resource-path.ts";
import {
  createFile,
  describeFile,
  ensureFolder,
  isErrno,
  isTemporary,
  makePrivate,
  readRegularFile,
  removeFile,
  removeLeftovers,
  replaceFile,
} from "../../storage/atomic-files.ts";
import { type ReportFault, storageUnavailable } from "../../storage/faults.ts";
import { decodeFileName, encodeFileName } from "../../storage/file-names.ts";
import { MAX_HEADER_BYTES, MAX_RECORD_BYTES, parseRecord, printRecord } from "../../storage/record.ts";
import type { SecretStore } from "../secret-store.ts";
import { identityOf, RecentValues } from "./recent-values.ts";

export interface FsSecretStoreOptions {
  /** Memory for secrets read a moment ago; 0 for none. */
  readonly cacheBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** One look at a file, and when it began, in milliseconds. */
interface Look {
  readonly at: number;
  readonly status: Promise<BigIntStats | undefined>;
}

const UNCACHED: FsSecretStoreOptions = { cacheBytes: 0, now: () => 0 };
const KIND = "secret";
/**
 * For so long a secret in memory counts as looked up, in milliseconds: under load one look at the file system does for
 * many releases. Writers wait longer than this before they report success, so that no server that shares the folder
 * still serves what was replaced.
 */
const LOOK_AGAIN_AFTER = 10;
const WRITERS_WAIT = 15;
const SUFFIX = ".secret";

/**
 * One secret per file, `<folder>/<repository>/<type>/<tag>.secret`, every part encoded so that names can
 * neither escape the folder nor meet on a file system that folds case.
 */
export class FsSecretStore implements SecretStore {
  readonly #folder: string;
  readonly #report: ReportFault;
  readonly #now: () => number;
  readonly #recent: RecentValues;
  /** Looks under way: at most as many as requests. */
  readonly #looking = new Map<ResourcePath, Look>();

  private constructor(folder: string, report: ReportFault, options: FsSecretStoreOptions) {
    this.#folder = folder;
    this.#report = report;
    this.#now = options.now;
    this.#recent = new RecentValues(options.cacheBytes);
  }

  /**
   * Makes the folder, private to this user, and clears what an interrupted writer left behind.
   *
   * @param report - hears of files that are foreign or damaged; they are skipped, never served
   * @throws KbsError `storage-unavailable`
   */
  static async open(
    folder: string,
    report: ReportFault,
    options: FsSecretStoreOptions = UNCACHED,
  ): Promise<FsSecretStore> {
    const store = new FsSecretStore(folder, report, options);
    await guarded("opening the secret folder", async () => {
      await ensureFolder(folder);
      await makePrivate(folder);
      for await (const leaf of store.#leafFolders()) await removeLeftovers(leaf.path);
    });
    return store;
  }

  async get(path: ResourcePath, signal: AbortSignal): Promise<Uint8Array | undefined> {
    signal.throwIfAborted();
    const at = this.#now();
    const recent = this.#recent.checkedSince(path, at - LOOK_AGAIN_AFTER);
    if (recent !== undefined) return recent;
    const file = this.#fileOf(path);
    try {
      const look = this.#look(path, file, at);
      const status = await look.status;
      if (status === undefined) return undefined;
      return this.#recent.get(path, status, look.at) ?? (await this.#read(path, file));
    } catch (error) {
      this.#report({ file, reason: error instanceof Error ? error.message : String(error) });
      throw storageUnavailable("reading a secret", error);
    }
  }

  async put(
    path: ResourcePath,
    value: Uint8Array,
    options: { readonly overwrite: boolean },
    signal: AbortSignal,
  ): Promise<"stored" | "exists"> {
    signal.throwIfAborted();
    if (value.length > MAX_RECORD_BYTES) throw tooLong();
    const file = this.#fileOf(path);
    const bytes = printRecord(KIND, path, value);
    this.#recent.forget(path);
    return guarded("writing a secret", async () => {
      await ensureFolder(join(file, ".."));
      if (!options.overwrite) return (await createFile(file, bytes)) ? "stored" : "exists";
      await replaceFile(file, bytes);
      await noticed();
      return "stored";
    });
  }

  async delete(path: ResourcePath, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    this.#recent.forget(path);
    return guarded("deleting a secret", async () => {
      const removed = await removeFile(this.#fileOf(path));
      await noticed();
      return removed;
    });
  }

  async *list(signal: AbortSignal): AsyncIterable<ResourcePath> {
    for await (const leaf of this.#leafFolders()) {
      for await (const entry of entries(leaf.path)) {
        signal.throwIfAborted();
        if (isTemporary(entry.name)) continue;
        const path = entry.isFile() ? pathOf(leaf.repository, leaf.type, entry.name) : undefined;
        if (path === undefined) this.#foreign(join(leaf.path, entry.name));
        else yield path;
      }
    }
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await guarded("checking that the secret folder can be written", () => checkWritable(this.#folder));
  }

  async close(): Promise<void> {
    // Every operation has closed its own files.
    this.#recent.clear();
  }

  /** Looks at the file, together with whoever began to a moment ago. */
  #look(path: ResourcePath, file: string, at: number): Look {
    const under = this.#looking.get(path);
    if (under !== undefined && under.at >= at - LOOK_AGAIN_AFTER) return under;
    const look = { at, status: describeFile(file) };
    this.#looking.set(path, look);
    const done = () => {
      if (this.#looking.get(path) === look) this.#looking.delete(path);
    };
    look.status.then(done, done);
    return look;
  }

  async #read(path: ResourcePath, file: string): Promise<Uint8Array | undefined> {
    const at = this.#now();
    let identity: ReturnType<typeof identityOf> | undefined;
    const bytes = await readRegularFile(file, MAX_RECORD_BYTES + MAX_HEADER_BYTES, (status) => {
      identity = identityOf(status);
    });
    if (bytes === undefined) return undefined;
    const value = readSecret(path, bytes);
    if (identity !== undefined) this.#recent.remember(path, identity, value, at);
    return value;
  }

  #fileOf(path: ResourcePath): string {
    const [repository = "", type = "", tag = ""] = path.split("/");
    return join(this.#folder, encodeFileName(repository), encodeFileName(type), encodeFileName(tag) + SUFFIX);
  }

  async *#leafFolders(): AsyncIterable<{ path: string; repository: string; type: string }> {
    for await (const repository of this.#folders(this.#folder)) {
      for await (const type of this.#folders(join(this.#folder, repository))) {
        yield { path: join(this.#folder, repository, type), repository, type };
      }
    }
  }

  /** Names of the folders in `path` that the encoding prints; anything else is reported and skipped. */
  async *#folders(path: string): AsyncIterable<string> {
    for await (const entry of entries(path)) {
      if (isTemporary(entry.name)) continue;
      if (entry.isDirectory() && decodeFileName(entry.name) !== undefined) yield entry.name;
      else this.#foreign(join(path, entry.name));
    }
  }

  #foreign(file: string): void {
    this.#report({ file, reason: "it is not a file this store writes; it is ignored" });
  }
}

/** Returns when every server that shares the folder looks at it again. */
function noticed(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, WRITERS_WAIT));
}

function readSecret(path: ResourcePath, bytes: Buffer): Uint8Array {
  const record = parseRecord(KIND, bytes);
  if (record.name !== path) throw new Error("it holds another secret than its name says");
  return record.value;
}

function pathOf(repository: string, type: string, file: string): ResourcePath | undefined {
  if (!file.endsWith(SUFFIX)) return undefined;
  const parts = [repository, type, file.slice(0, -SUFFIX.length)].map(decodeFileName);
  const names = parts.filter((part) => part !== undefined);
  try {
    return names.length === 3 ? parseResourcePath(names) : undefined;
  } catch {
    return undefined;
  }
}

async function* entries(path: string): AsyncIterable<Dirent> {
  try {
    yield* await opendir(path);
  } catch (error) {
    // Somebody may remove a folder while we walk; what is gone holds nothing.
    if (!isErrno(error, "ENOENT")) throw storageUnavailable("listing secrets", error);
  }
}

async function checkWritable(folder: string): Promise<void> {
  await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  if ((await statfs(folder)).bavail === 0) throw new Error("the file system is full");
}

async function guarded<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageUnavailable(doing, error);
  }
}

function tooLong(): KbsError {
  return new KbsError("payload-too-large", `A secret may have at most ${MAX_RECORD_BYTES} bytes.`);
}
