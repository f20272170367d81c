import { constants, type Dirent } from "node:fs";
import { access, opendir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { readJson } from "../json/read.ts";
import { isObject, member, writeJson } from "../json/write.ts";
import {
  ensureFolder,
  isTemporary,
  makePrivate,
  readRegularFile,
  removeFile,
  removeLeftovers,
  replaceFile,
} from "./atomic-files.ts";
import {
  checkDocument,
  type DocumentStore,
  MAX_DOCUMENT_BYTES,
  type Provenance,
  type StoredDocument,
} from "./document-store.ts";
import { type ReportFault, storageUnavailable } from "./faults.ts";
import { boundedFileName } from "./file-names.ts";
import { DamagedRecord, parseRecord, printRecord } from "./record.ts";

const KIND = "document";
const SUFFIX = ".doc";
/** JSON escapes make a text at most six times as long. */
const MAX_FILE_BYTES = 6 * MAX_DOCUMENT_BYTES + 16_384;

/** One document per file in one flat folder; the file holds its own name, version and provenance. */
export class FsDocumentStore implements DocumentStore {
  readonly #folder: string;
  readonly #report: ReportFault;
  /** Writers of one name wait for each other: the version number is read, then written. */
  readonly #writers = new Map<string, Promise<unknown>>();

  private constructor(folder: string, report: ReportFault) {
    this.#folder = folder;
    this.#report = report;
  }

  /**
   * @param report - hears of files that are foreign or damaged
   * @throws KbsError `storage-unavailable`
   */
  static async open(folder: string, report: ReportFault): Promise<FsDocumentStore> {
    return guarded("opening a folder of documents", async () => {
      await ensureFolder(folder);
      await makePrivate(folder);
      await removeLeftovers(folder);
      return new FsDocumentStore(folder, report);
    });
  }

  async get(name: string, signal: AbortSignal): Promise<StoredDocument | undefined> {
    signal.throwIfAborted();
    return this.#read(name);
  }

  async put(
    name: string,
    text: string,
    provenance: Provenance,
    signal: AbortSignal,
  ): Promise<StoredDocument> {
    signal.throwIfAborted();
    checkDocument(name, text);
    return this.#inTurn(name, async () => {
      const version = await this.#nextVersion(name);
      const document = Object.freeze({ name, text, version, by: provenance.by, at: provenance.at });
      await replaceFile(this.#fileOf(name), printDocument(document));
      return document;
    });
  }

  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    return this.#inTurn(name, () => removeFile(this.#fileOf(name)));
  }

  async *list(signal: AbortSignal): AsyncIterable<StoredDocument> {
    for await (const entry of entries(this.#folder)) {
      signal.throwIfAborted();
      if (isTemporary(entry.name)) continue;
      const document = await this.#readEntry(entry);
      if (document !== undefined) yield document;
    }
  }

  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await guarded("checking that a folder of documents can be written", async () => {
      await access(this.#folder, constants.R_OK | constants.W_OK | constants.X_OK);
      if ((await statfs(this.#folder)).bavail === 0) throw new Error("the file system is full");
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writers.values());
  }

  #fileOf(name: string): string {
    return join(this.#folder, boundedFileName(name) + SUFFIX);
  }

  async #read(name: string): Promise<StoredDocument | undefined> {
    const file = this.#fileOf(name);
    try {
      const bytes = await readRegularFile(file, MAX_FILE_BYTES);
      return bytes === undefined ? undefined : parseDocument(bytes, file, (found) => this.#fileOf(found));
    } catch (error) {
      this.#reportFault(file, error);
      throw storageUnavailable("reading a document", error);
    }
  }

  /** A damaged document can still be replaced; the count then starts anew. */
  async #nextVersion(name: string): Promise<number> {
    try {
      return ((await this.#read(name))?.version ?? 0) + 1;
    } catch {
      return 1;
    }
  }

  async #readEntry(entry: Dirent): Promise<StoredDocument | undefined> {
    const file = join(this.#folder, entry.name);
    try {
      if (!entry.isFile()) throw new DamagedRecord("it is not a file this store writes");
      const bytes = await readRegularFile(file, MAX_FILE_BYTES);
      return bytes === undefined ? undefined : parseDocument(bytes, file, (found) => this.#fileOf(found));
    } catch (error) {
      this.#reportFault(file, error);
      return undefined;
    }
  }

  #reportFault(file: string, error: unknown): void {
    this.#report({ file, reason: error instanceof Error ? error.message : String(error) });
  }

  async #inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#writers.get(name) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => guarded("writing a document", work));
    this.#writers.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#writers.get(name) === mine) this.#writers.delete(name);
    }
  }
}

function printDocument({ name, text, version, by, at }: StoredDocument): Buffer {
  return printRecord(KIND, name, Buffer.from(writeJson({ version, by, at, text }), "utf8"));
}

/** @throws DamagedRecord */
function parseDocument(bytes: Buffer, file: string, fileOf: (name: string) => string): StoredDocument {
  const { name, value } = parseRecord(KIND, bytes);
  if (fileOf(name) !== file) throw new DamagedRecord("it holds another document than its name says");
  const body = readJson(value);
  const object = isObject(body) ? body : {};
  const [version, by, at, text] = ["version", "by", "at", "text"].map((field) => member(object, field));
  if (
    typeof version !== "number" ||
    typeof by !== "string" ||
    typeof at !== "string" ||
    typeof text !== "string"
  )
    throw new DamagedRecord("a member of the document is missing");
  return Object.freeze({ name, text, version, by, at });
}

async function* entries(path: string): AsyncIterable<Dirent> {
  try {
    yield* await opendir(path);
  } catch (error) {
    throw storageUnavailable("listing documents", error);
  }
}

async function guarded<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageUnavailable(doing, error);
  }
}
