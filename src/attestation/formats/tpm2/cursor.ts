/** Bytes that are no TPM 2.0 structure. The message says what and where, never the content. */
export class Tpm2FormatError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "Tpm2FormatError";
  }
}

/**
 * Reads the structures of TPM 2.0 Library Part 2 in order: integers are big-endian, a TPM2B is a u16 length and
 * that many bytes. Every length is compared with what is there before it is used; nothing is copied.
 */
export class Tpm2Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(what: string): number {
    return this.#bytes.readUInt8(this.#advance(1, what));
  }

  u16(what: string): number {
    return this.#bytes.readUInt16BE(this.#advance(2, what));
  }

  u32(what: string): number {
    return this.#bytes.readUInt32BE(this.#advance(4, what));
  }

  u64(what: string): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8, what));
  }

  bytes(length: number, what: string): Buffer {
    const start = this.#advance(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  /** @param maxBytes - longest content the structure permits */
  sized(maxBytes: number, what: string): Buffer {
    const length = this.u16(what);
    if (length > maxBytes) throw new Tpm2FormatError(`${what} of ${length} bytes, at most ${maxBytes}`);
    return this.bytes(length, what);
  }

  /** @throws Tpm2FormatError when bytes are left */
  end(what: string): void {
    const left = this.#bytes.length - this.#at;
    if (left !== 0) throw new Tpm2FormatError(`${left} byte(s) after ${what}`);
  }

  #advance(length: number, what: string): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw new Tpm2FormatError(`${what} ends too early`);
    this.#at = start + length;
    return start;
  }
}

/** A TPM2B: the length as u16, then the bytes. */
export function sized(bytes: Uint8Array): Buffer {
  const out = Buffer.alloc(2 + bytes.byteLength);
  out.writeUInt16BE(bytes.byteLength, 0);
  out.set(bytes, 2);
  return out;
}

/** An unsigned 16-bit integer, big-endian. */
export function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(value);
  return out;
}

/** An unsigned 32-bit integer, big-endian. */
export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}
