import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

/**
 * Seals small values under the server's own key: session cookies on their way through the guest, tokens at
 * rest in the session store.
 *
 * The cipher is XAES-256-GCM (C2SP, revision of June 2024): AES-256-GCM under a key derived per message, so
 * that a random nonce of 192 bits is safe for any number of messages. Plain AES-GCM would allow 2^32 per key,
 * which a flood of challenges reaches in weeks.
 *
 * Layout: key id (4) ‖ nonce (24) ‖ ciphertext ‖ tag (16).
 */

const KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** Bytes that sealing adds. */
export const SEAL_OVERHEAD_BYTES = KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;

/** What a sealed value is for. A value sealed for one purpose does not open for another. */
export type SealPurpose = "session" | "token";

interface SealKey {
  readonly id: Buffer;
  readonly key: Buffer;
  /** Subkey of CMAC for complete blocks, `K1` of the specification. */
  readonly subkey: Buffer;
}

export class KeyRing {
  readonly #current: SealKey;
  readonly #all: readonly SealKey[];
  readonly #random: (bytes: number) => Uint8Array;

  /**
   * @param keys - 32 bytes each; the first seals, all of them open. A new key is put in front and the old one
   *   stays until the last session sealed with it has expired.
   * @throws RangeError on an empty list, a key of another length, or two keys with one id
   */
  constructor(keys: readonly Uint8Array[], random: (bytes: number) => Uint8Array = randomBytes) {
    const all = keys.map(prepare);
    const current = all[0];
    if (current === undefined) throw new RangeError("a key ring needs at least one key");
    if (new Set(all.map((key) => key.id.toString("hex"))).size !== all.length)
      throw new RangeError("a key occurs twice in the key ring");
    this.#current = current;
    this.#all = all;
    this.#random = random;
  }

  /** @param context - authenticated, not stored: opening needs the same text */
  seal(purpose: SealPurpose, context: string, plaintext: Uint8Array): Buffer {
    const { id, key, subkey } = this.#current;
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", messageKey(key, subkey, nonce), nonce.subarray(12));
    cipher.setAAD(associatedData(purpose, context));
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return Buffer.concat([id, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /** @returns `undefined` for anything this ring did not seal for this purpose and context */
  open(purpose: SealPurpose, context: string, sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < SEAL_OVERHEAD_BYTES) return undefined;
    const found = this.#all.find((key) => key.id.compare(sealed, 0, KEY_ID_BYTES) === 0);
    if (found === undefined) return undefined;
    const nonce = sealed.subarray(KEY_ID_BYTES, KEY_ID_BYTES + NONCE_BYTES);
    const key = messageKey(found.key, found.subkey, nonce);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce.subarray(12), { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(purpose, context));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const plaintext = decipher.update(sealed.subarray(KEY_ID_BYTES + NONCE_BYTES, sealed.length - TAG_BYTES));
    try {
      decipher.final();
    } catch {
      return undefined; // the tag did not hold: not ours, or changed on the way
    }
    return plaintext;
  }
}

function prepare(key: Uint8Array): SealKey {
  if (key.length !== KEY_BYTES)
    throw new RangeError(`a session key has ${KEY_BYTES} bytes, not ${key.length}`);
  // The id is a hash, so replicas that hold the same keys agree on it without numbering them.
  const id = createHash("sha256").update("keywarden session key id\0").update(key).digest();
  return {
    id: id.subarray(0, KEY_ID_BYTES),
    key: Buffer.from(key),
    subkey: doubled(encryptBlocks(key, Buffer.alloc(16))),
  };
}

/** Key of one message: two CMAC outputs over one block each (XAES-256-GCM, "key derivation"). */
function messageKey(key: Uint8Array, subkey: Buffer, nonce: Uint8Array): Buffer {
  const blocks = Buffer.alloc(2 * 16);
  for (let counter = 0; counter < 2; counter++) {
    const start = counter * 16;
    blocks[start + 1] = counter + 1;
    blocks[start + 2] = 0x58; // "X"
    blocks.set(nonce.subarray(0, 12), start + 4);
    for (let at = 0; at < 16; at++) blocks[start + at] = byte(blocks, start + at) ^ byte(subkey, at);
  }
  return encryptBlocks(key, blocks);
}

function encryptBlocks(key: Uint8Array, blocks: Buffer): Buffer {
  const cipher = createCipheriv("aes-256-ecb", key, null);
  cipher.setAutoPadding(false);
  return cipher.update(blocks);
}

/** Doubling in GF(2^128), as CMAC does it (NIST SP 800-38B §6.1). */
function doubled(block: Buffer): Buffer {
  const result = Buffer.alloc(16);
  let carry = 0;
  for (let at = 15; at >= 0; at--) {
    const value = byte(block, at);
    result[at] = ((value << 1) & 0xff) | carry;
    carry = value >> 7;
  }
  result[15] = byte(result, 15) ^ (carry === 1 ? 0x87 : 0);
  return result;
}

function byte(buffer: Uint8Array, at: number): number {
  return buffer[at] ?? 0;
}

function associatedData(purpose: SealPurpose, context: string): Buffer {
  return Buffer.from(`keywarden ${purpose}\0${context}`, "utf8");
}
