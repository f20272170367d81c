import { createHash } from "node:crypto";
import { KbsError } from "../errors.ts";
import { type AuditFile, openAuditFile } from "./audit-file.ts";
import {
  type AuditEvent,
  auditLine,
  CHAIN_START,
  type ChainHead,
  lineDigest,
  nextHead,
  readAuditLine,
} from "./audit-record.ts";

export interface AuditLogOptions {
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Most records waiting for the disk; beyond it they are refused. */
  readonly maxPending?: number;
  readonly onWritten?: (records: number) => void;
  readonly onFailure?: (error: unknown) => void;
  /** Opens the file; tests inject faults here. */
  readonly open?: (path: string) => Promise<AuditFile>;
}

interface Pending {
  readonly event: AuditEvent;
  readonly at: number;
  readonly resolve: () => void;
  readonly reject: (error: KbsError) => void;
}

const MAX_PENDING = 10_000;
/** Longest line written, and so the longest looked for at the end of an existing file. */
const MAX_LINE_BYTES = 1 << 20;
const LINE_FEED = 0x0a;
/** Most bytes of another process that are taken over at once. */
const MAX_FOLLOWED_BYTES = 16 << 20;
const NOTHING = new Uint8Array(0);

/**
 * The audit log: a file of its own, one chained JSON record per line.
 *
 * `record` returns when the record is durable and throws when it is not; the caller must then refuse what it
 * was about to do. Records that arrive while the disk is busy share the next write and the next sync.
 *
 * After a failure nothing is known about the end of the file, so before the next record it is opened again, cut
 * back to the last durable record, and that record is read back. Only bytes of the write that failed are ever cut
 * off. What a second server wrote, say during an update, is continued if it continues the chain; a file that holds
 * anything else is never written to again.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  #file: AuditFile;
  #head: ChainHead;
  #size: number;
  #broken = false;
  /** What the write that failed may have left at the end of the file. */
  #unfinished: Uint8Array = NOTHING;
  #closed = false;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;

  private constructor(options: AuditLogOptions, file: AuditFile, size: number, head: ChainHead) {
    this.#options = options;
    this.#file = file;
    this.#size = size;
    this.#head = head;
  }

  /**
   * Opens or creates the log and continues its chain. A last line that a crash tore apart was never durable, so
   * nothing was released on its strength; it is cut off, and a record says so.
   *
   * @throws KbsError `audit-unavailable`: the file cannot be opened, or its last line is not an audit record
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const file = await opened(options);
    try {
      const tail = Buffer.from(await file.tail(MAX_LINE_BYTES));
      const torn = tail.length - (tail.lastIndexOf(LINE_FEED) + 1);
      if (torn >= MAX_LINE_BYTES) throw unavailable(new Error("the audit file does not end in a record"));
      const size = (await file.size()) - torn;
      const log = new AuditLog(options, file, size, headOf(tail.subarray(0, tail.length - torn)));
      if (torn > 0) await log.#cutOff(tail.subarray(tail.length - torn));
      return log;
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error instanceof KbsError ? error : unavailable(error);
    }
  }

  /** Where the chain stands. Kept elsewhere, it also proves that no records were cut off the end. */
  get head(): ChainHead {
    return this.#head;
  }

  /** @throws KbsError `audit-unavailable`: not durable; refuse what was to be recorded */
  record(event: AuditEvent): Promise<void> {
    if (this.#closed || this.#pending.length >= (this.#options.maxPending ?? MAX_PENDING))
      return Promise.reject(
        unavailable(new Error(this.#closed ? "the log is closed" : "too many records wait")),
      );
    const at = this.#options.now();
    const recorded = new Promise<void>((resolve, reject) => {
      this.#pending.push({ event, at, resolve, reject });
    });
    this.#writing ??= this.#writeAll();
    return recorded;
  }

  /**
   * After a failure this tries the file again: were the server merely unready until the next release, no release
   * would ever come to find the disk repaired.
   * @throws KbsError `audit-unavailable`
   */
  async ready(): Promise<void> {
    if (this.#closed) throw unavailable(new Error("the log is closed"));
    if (this.#broken) await this.record({ event: "audit-log-recovered" });
  }

  /**
   * Continues the chain in a fresh file at the same path, after the old one was moved away. Records are taken all
   * the while.
   *
   * @throws KbsError `audit-unavailable`: the file cannot be opened; the old one stays in use
   */
  async reopen(): Promise<void> {
    const file = await opened(this.#options);
    const size = await file.size();
    // Nothing is awaited from here to the exchange: a batch that begins meanwhile looks at the file a tick later.
    await this.#idle();
    const old = this.#file;
    this.#file = file;
    if (size === 0) {
      this.#size = 0;
      this.#broken = false;
      this.#unfinished = NOTHING;
    } else this.#broken = true; // not a fresh file: it is looked at like one of which nothing is known
    await old.close();
  }

  /** Writes what waits, then closes. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#idle();
    await this.#file.close();
  }

  async #idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #writeAll(): Promise<void> {
    // Records of the same tick, and of requests that are about to be served, join the batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      await this.#writeBatch(batch);
    }
    this.#writing = undefined;
  }

  async #writeBatch(batch: readonly Pending[]): Promise<void> {
    try {
      if (this.#broken) await this.#recover();
      const lines = this.#chain(batch);
      if (lines.kept.length > 0) await this.#append(lines.bytes);
      this.#head = lines.head;
      this.#options.onWritten?.(lines.kept.length);
      for (const pending of lines.kept) pending.resolve();
    } catch (error) {
      this.#broken = true;
      this.#options.onFailure?.(error);
      const refusal = unavailable(error);
      for (const pending of batch) pending.reject(refusal);
    }
  }

  /** A record that is too long is refused alone: read back at the next start, it would make the file no log. */
  #chain(batch: readonly Pending[]): { bytes: Buffer; head: ChainHead; kept: readonly Pending[] } {
    let head = this.#head;
    let text = "";
    const kept: Pending[] = [];
    for (const pending of batch) {
      const next = auditLine(head, pending.at, pending.event);
      // Lines are ASCII but for plain letters of other scripts, which take at most three bytes.
      if (3 * next.line.length >= MAX_LINE_BYTES) {
        pending.reject(unavailable(new Error("a record of more than a third of a megabyte")));
        continue;
      }
      text += `${next.line}\n`;
      head = next.head;
      kept.push(pending);
    }
    return { bytes: Buffer.from(text, "utf8"), head, kept };
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const size = await this.#file.size();
    if (size !== this.#size)
      throw new Error(`the audit file has ${size} bytes where ${this.#size} were written`);
    this.#unfinished = bytes;
    await this.#file.append(bytes);
    await this.#file.sync();
    this.#size += bytes.length;
    this.#unfinished = NOTHING;
  }

  async #recover(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    this.#file = await opened(this.#options);
    const excess = (await this.#file.size()) - this.#size;
    if (excess < 0) throw new Error("the audit file lost records");
    if (await this.#isOurs(excess)) {
      await this.#file.truncate(this.#size);
      await this.#file.sync();
    } else await this.#follow(excess);
    const head = headOf(Buffer.from(await this.#file.tail(MAX_LINE_BYTES)));
    if (this.#size > 0 && head.digest !== this.#head.digest)
      throw new Error("the end of the audit file is not what was written");
    this.#broken = false;
  }

  /** Whether the last `excess` bytes are the beginning of the write that failed. */
  async #isOurs(excess: number): Promise<boolean> {
    if (excess > this.#unfinished.length) return false;
    const tail = Buffer.from(await this.#file.tail(excess));
    return tail.equals(this.#unfinished.subarray(0, excess));
  }

  /** Takes over the records that another process added. */
  async #follow(excess: number): Promise<void> {
    if (excess > MAX_FOLLOWED_BYTES) throw new Error("somebody else writes to the audit file");
    const tail = Buffer.from(await this.#file.tail(excess)).toString("utf8");
    if (!tail.endsWith("\n")) throw new Error("somebody else is writing to the audit file");
    let head = this.#head;
    for (const line of tail.slice(0, -1).split("\n")) {
      const next = nextHead(head, line);
      if (typeof next === "string") throw new Error(`somebody else wrote to the audit file: ${next}`);
      head = next;
    }
    this.#head = head;
    this.#size += excess;
  }

  async #cutOff(torn: Buffer): Promise<void> {
    await this.#file.truncate(this.#size);
    await this.#file.sync();
    await this.record({
      event: "audit-log-recovered",
      discardedBytes: torn.length,
      discardedSha256: createHash("sha256").update(torn).digest("hex"),
    });
  }
}

async function opened(options: AuditLogOptions): Promise<AuditFile> {
  try {
    return await (options.open ?? openAuditFile)(options.path);
  } catch (error) {
    throw unavailable(error);
  }
}

/** @param tail - complete lines at the end of the file */
function headOf(tail: Buffer): ChainHead {
  if (tail.length === 0) return CHAIN_START;
  const start = tail.lastIndexOf(LINE_FEED, tail.length - 2) + 1;
  const line = tail.toString("utf8", start, tail.length - 1);
  const record = readAuditLine(line);
  if (typeof record === "string")
    throw unavailable(new Error(`the audit file does not end in a record: ${record}`));
  return { sequence: record.sequence, digest: lineDigest(line) };
}

function unavailable(cause: unknown): KbsError {
  return new KbsError(
    "audit-unavailable",
    "The audit record could not be written, so nothing was done; the administrator must look at the audit log.",
    { cause, retryAfterSeconds: 10 },
  );
}
