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
/** The part of the nonce that the message key is derived from; the rest is the nonce of AES-GCM. */
const PREFIX_BYTES = 12;
/** Messages sealed under one message key: far below the 2^32 that random AES-GCM nonces allow. */
const MESSAGES_PER_KEY = 1 << 16;
/** Message keys remembered for opening. */
const MAX_MESSAGE_KEYS = 64;
/** Bytes that sealing adds. */
const SEAL_OVERHEAD_BYTES = KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;

/** What a sealed value is for. A value sealed for one purpose does not open for another. */
export type SealPurpose = "session" | "token";

interface SealKey {
  readonly id: Buffer;
  readonly key: Buffer;
  /** Subkey of CMAC for complete blocks, `K1` of the specification. */
  readonly subkey: Buffer;
}

/** The keys of one deployment: the first seals, all of them open. */
export class KeyRing {
  readonly #current: SealKey;
  readonly #all: readonly SealKey[];
  readonly #random: (bytes: number) => Uint8Array;
  readonly #messageKeys = new Map<string, Buffer>();
  #sealing: { readonly prefix: Uint8Array; readonly key: Buffer; left: number } | undefined;

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
    const { prefix, key } = this.#sealingKey();
    const nonce = this.#random(NONCE_BYTES - PREFIX_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(associatedData(purpose, context));
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return Buffer.concat([this.#current.id, prefix, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /** @returns `undefined` for anything this ring did not seal for this purpose and context */
  open(purpose: SealPurpose, context: string, sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < SEAL_OVERHEAD_BYTES) return undefined;
    const found = this.#all.find((key) => key.id.compare(sealed, 0, KEY_ID_BYTES) === 0);
    if (found === undefined) return undefined;
    const nonce = sealed.subarray(KEY_ID_BYTES, KEY_ID_BYTES + NONCE_BYTES);
    const key = this.#messageKey(found, nonce.subarray(0, PREFIX_BYTES));
    const iv = nonce.subarray(PREFIX_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
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

  /** Deriving a key costs as much as using it, so one serves many messages before the next is drawn. */
  #sealingKey(): { readonly prefix: Uint8Array; readonly key: Buffer } {
    if (this.#sealing === undefined || this.#sealing.left === 0) {
      const prefix = this.#random(PREFIX_BYTES);
      this.#sealing = { prefix, key: this.#messageKey(this.#current, prefix), left: MESSAGES_PER_KEY };
    }
    this.#sealing.left--;
    return this.#sealing;
  }

  #messageKey(key: SealKey, prefix: Uint8Array): Buffer {
    const name = key.id.toString("latin1") + Buffer.from(prefix).toString("latin1");
    const known = this.#messageKeys.get(name);
    if (known !== undefined) return known;
    const derived = messageKey(key.key, key.subkey, prefix);
    const oldest = this.#messageKeys.keys().next();
    if (this.#messageKeys.size >= MAX_MESSAGE_KEYS && oldest.done !== true)
      this.#messageKeys.delete(oldest.value);
    this.#messageKeys.set(name, derived);
    return derived;
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
function messageKey(key: Uint8Array, subkey: Buffer, prefix: Uint8Array): Buffer {
  const blocks = Buffer.alloc(2 * 16);
  for (let counter = 0; counter < 2; counter++) {
    const start = counter * 16;
    blocks[start + 1] = counter + 1;
    blocks[start + 2] = 0x58; // "X"
    blocks.set(prefix, start + 4);
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
