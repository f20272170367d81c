import { createReadStream } from "node:fs";
import { unreadable } from "../files.ts";

/** A longer line is no request; it is skipped as it streams by, so that nobody needs memory for it. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024;

/** A line was longer than the limit. */
export const TOO_LONG = Symbol("line too long");

/**
 * Lines of a file without keeping more than one of them.
 *
 * @throws CommandFailure (misuse) when the file cannot be read
 */
export async function* fileLines(
  path: string,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string | typeof TOO_LONG> {
  const chunks = createReadStream(path, { highWaterMark: 256 * 1024 });
  try {
    yield* splitLines(chunks, maxBytes);
  } catch (error) {
    throw unreadable(path, "list of queries", error);
  }
}

/** Cuts a stream of bytes at its newlines; the last line needs none. */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string | typeof TOO_LONG> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > maxBytes) parts = [];
    else parts.push(part);
  };
  const take = (): string | typeof TOO_LONG => {
    const line = length > maxBytes ? TOO_LONG : Buffer.concat(parts).toString("utf8");
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let at = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, at)) {
      add(chunk.subarray(at, end));
      yield take();
      at = end + 1;
    }
    add(chunk.subarray(at));
  }
  if (length > 0) yield take();
}
