import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { CHAIN_START, type ChainHead, nextHead } from "./audit-record.ts";

export type AuditVerdict =
  | { readonly intact: true; readonly records: number; readonly head: ChainHead }
  | { readonly intact: false; readonly line: number; readonly reason: string };

export interface AuditVerifyOptions {
  /** Head of the file before this one, when the log was rotated; without it the file must begin a chain. */
  readonly from?: ChainHead;
  /** Head noted down elsewhere: proves that no records were cut off the end. */
  readonly expectedHead?: string;
}

/**
 * Checks every link of an audit log's chain.
 *
 * A chain proves that nothing was changed, inserted or dropped before a line that is still there. Whoever can
 * write the file can still cut off its end or write a whole new chain: compare `head` with a note kept elsewhere.
 *
 * @throws the file system's error when the file cannot be read
 */
export async function verifyAuditLog(path: string, options: AuditVerifyOptions = {}): Promise<AuditVerdict> {
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: 0, terminal: false });
  let head = options.from ?? CHAIN_START;
  let records = 0;
  try {
    for await (const line of lines) {
      const next = nextHead(head, line);
      if (typeof next === "string") return { intact: false, line: records + 1, reason: next };
      head = next;
      records++;
    }
  } finally {
    lines.close();
  }
  if (options.expectedHead !== undefined && options.expectedHead !== head.digest)
    return { intact: false, line: records, reason: "the last record is not the one that was noted down" };
  return { intact: true, records, head };
}
