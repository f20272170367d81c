/** Keys that sign files for IMA, and the signatures they make (Linux security/integrity/integrity.h, signature_v2_hdr). */
import {
  createHash,
  createPublicKey,
  type KeyObject,
  constants as OPENSSL,
  publicDecrypt,
} from "node:crypto";
import { equalBytes, toHex } from "../../../crypto/bytes.ts";
import { type Certificate, parseCertificate } from "../../../crypto/certificate.ts";
import { DerReader, readDer, TAG, wholeBits } from "../../../crypto/der.ts";
import { verifyEcdsaDigest } from "../../../crypto/ecdsa-prehashed.ts";
import { readPem } from "../../../crypto/pem.ts";
import { LogCursor } from "../eventlog/cursor.ts";
import { EventLogError } from "../eventlog/event-log.ts";

const SUBJECT_KEY_IDENTIFIER = "2.5.29.14";
const KEY_ID_BYTES = 4;
/** Keys of one policy and of one machine's keyrings. */
const MOST_KEYS = 1000;

/** Public keys by the last four bytes of their identifier, which is all that a signature names. */
export class KeyRing {
  readonly #keys = new Map<string, KeyObject[]>();
  #count = 0;

  /** @returns a ring with the same keys, to which others may be added */
  copy(): KeyRing {
    const ring = new KeyRing();
    for (const [id, keys] of this.#keys) ring.#keys.set(id, [...keys]);
    ring.#count = this.#count;
    return ring;
  }

  get size(): number {
    return this.#count;
  }

  find(keyId: Buffer): readonly KeyObject[] {
    return this.#keys.get(toHex(keyId)) ?? [];
  }

  /**
   * Adds certificates and public keys: PEM blocks, or DER in base64, one per line.
   *
   * @throws Error when there is one that cannot be read
   */
  addText(text: string): void {
    const blocks = readPem(text);
    if (text.includes("-----BEGIN") && blocks.length === 0) throw new Error("PEM text without a whole block");
    for (const { label, der } of blocks) this.#addDer(der, label === "CERTIFICATE");
    if (blocks.length > 0) return;
    for (const line of text.split("\n"))
      if (line.trim() !== "") this.#addUnlabelled(Buffer.from(line.trim(), "base64"));
  }

  /** @throws DerError */
  addCertificate(der: Buffer): void {
    const certificate = parseCertificate(der);
    this.#add(keyIdOf(certificate), certificate.publicKey);
  }

  #addUnlabelled(der: Buffer): void {
    try {
      this.addCertificate(der);
    } catch {
      this.#addDer(der, false);
    }
  }

  #addDer(der: Buffer, isCertificate: boolean): void {
    if (isCertificate) {
      this.addCertificate(der);
      return;
    }
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    this.#add(hashOfKey(key.export({ format: "der", type: "spki" })), key);
  }

  #add(identifier: Buffer, key: KeyObject): void {
    if (this.#count >= MOST_KEYS) throw new EventLogError(`more than ${MOST_KEYS} file-signing keys`, 0);
    this.#count++;
    const id = toHex(identifier.subarray(-KEY_ID_BYTES));
    this.#keys.set(id, [...(this.#keys.get(id) ?? []), key]);
  }
}

function keyIdOf(certificate: Certificate): Buffer {
  const extension = certificate.extensions.get(SUBJECT_KEY_IDENTIFIER);
  return extension === undefined
    ? hashOfKey(certificate.publicKeyDer)
    : readDer(extension.value, TAG.octetString).content;
}

/** RFC 5280 §4.2.1.2, first method: SHA-1 of the key's bits without their header. */
function hashOfKey(spki: Buffer): Buffer {
  const reader = new DerReader(readDer(spki, TAG.sequence).content);
  reader.next(TAG.sequence);
  return createHash("sha1")
    .update(wholeBits(reader.next(TAG.bitString)))
    .digest();
}

const FILE_SIGNATURE = 0x03;
const VERITY_SIGNATURE = 0x06;
const VERSION_2 = 0x02;

interface SignatureHash {
  readonly name: string;
  /** DigestInfo before the digest (RFC 8017 §9.2, note 1). */
  readonly prefix: Buffer;
}

/** The kernel's numbers of hash algorithms. SHA-1 is not among them: two files with one digest can be made. */
const HASHES: ReadonlyMap<number, SignatureHash> = new Map([
  [4, { name: "sha256", prefix: Buffer.from("3031300d060960864801650304020105000420", "hex") }],
  [5, { name: "sha384", prefix: Buffer.from("3041300d060960864801650304020205000430", "hex") }],
  [6, { name: "sha512", prefix: Buffer.from("3051300d060960864801650304020305000440", "hex") }],
  [7, { name: "sha224", prefix: Buffer.from("302d300d06096086480165030402040500041c", "hex") }],
]);

export type SignatureVerdict = "valid" | "unknown-key" | "invalid" | "unsupported" | "malformed";

/**
 * Judges the signature of a file's digest.
 *
 * @param digest - as the record shows it, with the kernel's name of its algorithm
 */
export function judgeSignature(
  signature: Buffer,
  digest: { readonly algorithm: string; readonly value: Buffer },
  keys: KeyRing,
): SignatureVerdict {
  const parsed = readSignature(signature);
  if (typeof parsed === "string") return parsed;
  if (parsed.hash.name !== digest.algorithm) return "invalid";
  const candidates = keys.find(parsed.keyId);
  if (candidates.length === 0) return "unknown-key";
  return candidates.some((key) => verifyDigest(key, parsed, digest.value)) ? "valid" : "invalid";
}

interface FileSignature {
  readonly hash: SignatureHash;
  readonly keyId: Buffer;
  readonly value: Buffer;
}

/** Type, version, hash algorithm, key identifier, length (big-endian), signature. */
function readSignature(bytes: Buffer): FileSignature | "unsupported" | "malformed" {
  try {
    const cursor = new LogCursor(bytes);
    const [type, version, algorithm] = [cursor.u8("type"), cursor.u8("version"), cursor.u8("algorithm")];
    if (type === VERITY_SIGNATURE || (type === FILE_SIGNATURE && version !== VERSION_2)) return "unsupported";
    if (type !== FILE_SIGNATURE) return "malformed";
    const keyId = cursor.take(KEY_ID_BYTES, "key identifier");
    const length = cursor.take(2, "length").readUInt16BE();
    const value = cursor.take(length, "signature");
    const hash = HASHES.get(algorithm);
    if (cursor.left !== 0) return "malformed";
    return hash === undefined ? "unsupported" : { hash, keyId, value };
  } catch (error) {
    if (error instanceof EventLogError) return "malformed";
    throw error;
  }
}

function verifyDigest(key: KeyObject, { hash, value }: FileSignature, digest: Buffer): boolean {
  if (key.asymmetricKeyType === "ec") return verifyEcdsaDigest(key, digest, value);
  if (key.asymmetricKeyType !== "rsa") return false;
  try {
    const opened = publicDecrypt({ key, padding: OPENSSL.RSA_PKCS1_PADDING }, value);
    return equalBytes(opened, Buffer.concat([hash.prefix, digest]));
  } catch {
    return false;
  }
}
