import type { IncomingMessage } from "node:http";
import { KbsError } from "../errors.ts";

const EMPTY = Buffer.alloc(0);
/** After a refusal this much more is read and dropped, so that the peer gets to read the answer. */
const DISCARD_BYTES = 8 << 20;

/**
 * Reads a request body, whatever its content type.
 *
 * @throws KbsError `payload-too-large` as soon as it is known, without reading the rest; `malformed-request` when
 *   the peer left before the end
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const length = request.headers["content-length"];
  if (length === undefined && request.headers["transfer-encoding"] === undefined)
    return Promise.resolve(EMPTY);
  if (length !== undefined && Number(length) > maxBytes) {
    discard(request);
    return Promise.reject(tooLarge(maxBytes));
  }
  return collect(request, maxBytes);
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) {
        chunks = [];
        request.off("data", onData);
        discard(request);
        reject(tooLarge(maxBytes));
      } else chunks.push(chunk);
    };
    request.on("data", onData);
    request.on("end", () => resolve(chunks.length === 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks)));
    request.on("error", () => reject(leftEarly()));
    request.on("close", () => {
      if (!request.complete) reject(leftEarly());
    });
  });
}

function discard(request: IncomingMessage): void {
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > DISCARD_BYTES) request.socket.destroy();
  });
}

function tooLarge(maxBytes: number): KbsError {
  return new KbsError("payload-too-large", `The request body is larger than the ${maxBytes} bytes allowed.`);
}

function leftEarly(): KbsError {
  return new KbsError("malformed-request", "The request ended before its body did.");
}
