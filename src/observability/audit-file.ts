import { fstatSync } from "node:fs";
import { constants, type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";

/** What the audit log needs of a file; tests put a failing one in its place. */
export interface AuditFile {
  /** Bytes the file has now, as the file system says. */
  size(): Promise<number>;
  append(bytes: Uint8Array): Promise<void>;
  /** Returns when everything appended is on stable storage. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  /** The last `length` bytes, fewer if the file is shorter. */
  tail(length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Every write returns when its data is on stable storage: one system call in the place of two. Absent on some systems. */
const WRITE_THROUGH = typeof constants.O_DSYNC === "number" ? constants.O_DSYNC : 0;

/** Opens or creates an audit file, readable by its owner only; its directory entry is durable on return. */
export async function openAuditFile(path: string): Promise<AuditFile> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  const handle = await open(path, flags | WRITE_THROUGH, 0o600);
  const directory = await open(dirname(path), constants.O_RDONLY);
  await directory.sync().finally(() => directory.close());
  return new NodeAuditFile(handle);
}

class NodeAuditFile implements AuditFile {
  readonly #handle: FileHandle;
  /** Whether something was changed that is not yet on stable storage. */
  #unsynced = false;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    // Of an open file this reads what the kernel holds in memory; asking a worker would cost ten times as much.
    return fstatSync(this.#handle.fd).size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (WRITE_THROUGH === 0) this.#unsynced = true;
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    if (!this.#unsynced) return;
    await this.#handle.datasync();
    this.#unsynced = false;
  }

  async truncate(size: number): Promise<void> {
    this.#unsynced = true;
    await this.#handle.truncate(size);
  }

  async tail(length: number): Promise<Uint8Array> {
    const size = await this.size();
    const start = Math.max(0, size - length);
    const bytes = Buffer.alloc(size - start);
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
