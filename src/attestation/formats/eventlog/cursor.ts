import { asBuffer } from "../../../crypto/bytes.ts";
import { EventLogError } from "./event-log.ts";

/** Reads little-endian integers and byte strings; every read is checked against what is left. */
export class LogCursor {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.byteLength) {
    this.bytes = asBuffer(bytes);
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(what: string): number {
    const at = this.#take(1, what);
    return this.bytes.readUInt8(at);
  }

  u16(what: string): number {
    const at = this.#take(2, what);
    return this.bytes.readUInt16LE(at);
  }

  u32(what: string): number {
    const at = this.#take(4, what);
    return this.bytes.readUInt32LE(at);
  }

  /** A 64-bit length or address. */
  u64(what: string): bigint {
    const at = this.#take(8, what);
    return this.bytes.readBigUInt64LE(at);
  }

  /** A view on the next `length` bytes. */
  take(length: number, what: string): Buffer {
    const at = this.#take(length, what);
    return this.bytes.subarray(at, at + length);
  }

  skip(length: number, what: string): void {
    this.#take(length, what);
  }

  fault(what: string): EventLogError {
    return new EventLogError(what, this.at);
  }

  #take(length: number, what: string): number {
    const at = this.at;
    if (length > this.end - at)
      throw new EventLogError(`${what} needs ${length} bytes, ${this.end - at} are left,`, at);
    this.at = at + length;
    return at;
  }
}
