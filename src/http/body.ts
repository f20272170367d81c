import type { IncomingMessage } from "node:http";
import { KbsError } from "../errors.ts";
import type { MemoryAccount } from "./memory-budget.ts";

const EMPTY = Buffer.alloc(0);
/** After a refusal this much more is read and dropped, so that the peer gets to read the answer. */
const DISCARD_BYTES = 8 << 20;
const FIRST_BYTES = 16 << 10;

/**
 * Reads a request body, whatever its content type.
 *
 * @param memory - where the bytes are counted
 * @throws KbsError `payload-too-large` as soon as it is known, without reading the rest; `overloaded` when the
 *   bodies of all requests together take too much memory; `malformed-request` when the peer left before the end
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  memory?: MemoryAccount,
): Promise<Buffer> {
  const length = request.headers["content-length"];
  if (length === undefined && request.headers["transfer-encoding"] === undefined)
    return Promise.resolve(EMPTY);
  if (length !== undefined && Number(length) > maxBytes) {
    discard(request);
    return Promise.reject(tooLarge(maxBytes));
  }
  const first = length === undefined ? FIRST_BYTES : Math.min(FIRST_BYTES, Number(length));
  return collect(request, new Collected(maxBytes, first, memory));
}

function collect(request: IncomingMessage, body: Collected): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      const refusal = body.add(chunk);
      if (refusal === undefined) return;
      request.off("data", onData);
      discard(request);
      reject(refusal);
    };
    request.on("data", onData);
    request.on("end", () => resolve(body.bytes()));
    request.on("error", () => reject(leftEarly()));
    request.on("close", () => {
      if (!request.complete) reject(leftEarly());
    });
  });
}

/**
 * The bytes so far, in one buffer that doubles. Keeping the pieces as they come would let a peer who sends one byte
 * at a time take some hundred bytes for each.
 */
class Collected {
  readonly #maxBytes: number;
  readonly #firstBytes: number;
  readonly #memory: MemoryAccount | undefined;
  #buffer = EMPTY;
  #size = 0;

  /** @param firstBytes - to begin with; as much as the body will have, if that is known and little */
  constructor(maxBytes: number, firstBytes: number, memory: MemoryAccount | undefined) {
    this.#maxBytes = maxBytes;
    this.#firstBytes = firstBytes;
    this.#memory = memory;
  }

  /** @returns why the body is not read any further */
  add(chunk: Buffer): KbsError | undefined {
    const size = this.#size + chunk.length;
    if (size > this.#maxBytes) return this.#dropped(tooLarge(this.#maxBytes));
    if (size > this.#buffer.length && !this.#grow(size)) return this.#dropped(overloaded());
    chunk.copy(this.#buffer, this.#size);
    this.#size = size;
    return undefined;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  #grow(size: number): boolean {
    const capacity = Math.min(this.#maxBytes, Math.max(this.#firstBytes, size, 2 * this.#buffer.length));
    if (this.#memory?.take(capacity - this.#buffer.length) === false) return false;
    const larger = Buffer.allocUnsafe(capacity);
    this.#buffer.copy(larger, 0, 0, this.#size);
    this.#buffer = larger;
    return true;
  }

  #dropped(why: KbsError): KbsError {
    this.#buffer = EMPTY;
    this.#size = 0;
    return why;
  }
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

function overloaded(): KbsError {
  return new KbsError("overloaded", "Too many large requests are under way; try again in a moment.", {
    retryAfterSeconds: 1,
  });
}

function leftEarly(): KbsError {
  return new KbsError("malformed-request", "The request ended before its body did.");
}
