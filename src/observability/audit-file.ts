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

/** Opens or creates an audit file, readable by its owner only; its directory entry is durable on return. */
export async function openAuditFile(path: string): Promise<AuditFile> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  const handle = await open(path, flags, 0o600);
  const directory = await open(dirname(path), constants.O_RDONLY);
  await directory.sync().finally(() => directory.close());
  return new NodeAuditFile(handle);
}

class NodeAuditFile implements AuditFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async truncate(size: number): Promise<void> {
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
