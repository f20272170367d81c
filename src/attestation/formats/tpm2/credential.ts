/**
 * MakeCredential and its inverse (TPM 2.0 Library Part 1, §24; Part 3, TPM2_MakeCredential). A secret made for an
 * endorsement key and an object's name comes out only of the TPM that holds both.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  type ECDH,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from "node:crypto";
import { equalBytes } from "../../../crypto/bytes.ts";
import { CURVES, HASHES, type HashName } from "./algorithms.ts";
import { sized, Tpm2Cursor, Tpm2FormatError, u32 } from "./cursor.ts";
import { type EccPublicArea, endorsementKeyFault, type PublicArea, publicKeyOf } from "./public-area.ts";

/** What goes to the TPM, as TPM2_ActivateCredential takes it. */
export interface Credential {
  /** TPM2B_ID_OBJECT. */
  readonly credentialBlob: Buffer;
  /** TPM2B_ENCRYPTED_SECRET. */
  readonly encryptedSecret: Buffer;
}

export interface MakeCredentialInput {
  /** Public area of the endorsement key. */
  readonly endorsementKey: PublicArea;
  /** Name of the key that has to live in the same TPM, algorithm included. */
  readonly objectName: Buffer;
  /** At most as long as the digest of the endorsement key's nameAlg. */
  readonly secret: Buffer;
  /** @returns that many unpredictable bytes */
  readonly random: (bytes: number) => Buffer;
}

const IDENTITY = Buffer.from("IDENTITY\0", "ascii");
const IV = Buffer.alloc(16);
const TOOLS_MAGIC = 0xbadcc0de;
const MAX_BLOB_BYTES = 1024;

/**
 * @throws Tpm2FormatError when the endorsement key is none, its point is off the curve, or the secret too long
 */
export function makeCredential({
  endorsementKey,
  objectName,
  secret,
  random,
}: MakeCredentialInput): Credential {
  const fault = endorsementKeyFault(endorsementKey);
  if (fault !== undefined) throw new Tpm2FormatError(`the endorsement key cannot be used: ${fault}`);
  const { bytes } = HASHES[endorsementKey.nameAlgorithm];
  if (secret.length === 0 || secret.length > bytes)
    throw new Tpm2FormatError(`a secret of 1 to ${bytes} bytes is required`);
  const { seed, encrypted } = makeSeed(endorsementKey, random);
  const keys = deriveKeys(endorsementKey, seed, objectName);
  const cipher = createCipheriv(keys.cipher, keys.symmetric, IV);
  const identity = Buffer.concat([cipher.update(sized(secret)), cipher.final()]);
  const integrity = integrityOf(endorsementKey.nameAlgorithm, keys.hmac, identity, objectName);
  return {
    credentialBlob: sized(Buffer.concat([sized(integrity), identity])),
    encryptedSecret: sized(encrypted),
  };
}

/**
 * The TPM's half, for software TPMs: gives the secret back to whoever has the endorsement key's private half and
 * names the right object.
 *
 * @throws Tpm2FormatError when the credential was made for another key or name
 */
export function activateCredential(
  endorsementKey: PublicArea,
  privateKey: KeyObject,
  objectName: Buffer,
  { credentialBlob, encryptedSecret }: Credential,
): Buffer {
  const blob = unwrap(credentialBlob, "credential blob");
  const seed = recoverSeed(endorsementKey, privateKey, unwrap(encryptedSecret, "encrypted secret"));
  const cursor = new Tpm2Cursor(blob);
  const integrity = cursor.sized(HASHES.sha512.bytes, "integrity");
  const identity = blob.subarray(2 + integrity.length);
  const keys = deriveKeys(endorsementKey, seed, objectName);
  const wanted = integrityOf(endorsementKey.nameAlgorithm, keys.hmac, identity, objectName);
  if (!equalBytes(integrity, wanted)) throw new Tpm2FormatError("the credential is for another key or name");
  const decipher = createDecipheriv(keys.cipher, keys.symmetric, IV);
  return unwrap(Buffer.concat([decipher.update(identity), decipher.final()]), "secret");
}

/** The file tpm2_activatecredential reads: a header and the two structures. */
export function credentialFile({ credentialBlob, encryptedSecret }: Credential): Buffer {
  return Buffer.concat([u32(TOOLS_MAGIC), u32(1), credentialBlob, encryptedSecret]);
}

/** @throws Tpm2FormatError for anything that `credentialFile` would not write */
export function readCredentialFile(file: Buffer): Credential {
  const cursor = new Tpm2Cursor(file);
  if (cursor.u32("header") !== TOOLS_MAGIC || cursor.u32("version") !== 1)
    throw new Tpm2FormatError("not a credential file of tpm2-tools");
  const credentialBlob = sized(cursor.sized(MAX_BLOB_BYTES, "credential blob"));
  const encryptedSecret = sized(cursor.sized(MAX_BLOB_BYTES, "encrypted secret"));
  cursor.end("the credential file");
  return { credentialBlob, encryptedSecret };
}

function unwrap(bytes: Buffer, what: string): Buffer {
  const cursor = new Tpm2Cursor(bytes);
  const content = cursor.sized(MAX_BLOB_BYTES, what);
  cursor.end(what);
  return content;
}

function deriveKeys({ nameAlgorithm, symmetric }: PublicArea, seed: Buffer, objectName: Buffer) {
  const bits = symmetric?.keyBits === 256 ? 256 : 128;
  const nothing = Buffer.alloc(0);
  return {
    cipher: bits === 256 ? ("aes-256-cfb" as const) : ("aes-128-cfb" as const),
    symmetric: kdfa(nameAlgorithm, seed, "STORAGE", objectName, nothing, bits),
    hmac: kdfa(nameAlgorithm, seed, "INTEGRITY", nothing, nothing, HASHES[nameAlgorithm].bytes * 8),
  };
}

function integrityOf(hash: HashName, key: Buffer, identity: Buffer, objectName: Buffer): Buffer {
  return createHmac(hash, key).update(identity).update(objectName).digest();
}

function makeSeed(key: PublicArea, random: (bytes: number) => Buffer): { seed: Buffer; encrypted: Buffer } {
  const { bytes } = HASHES[key.nameAlgorithm];
  const publicKey = publicKeyOf(key);
  if (key.type === "rsa") {
    const seed = random(bytes);
    return { seed, encrypted: publicEncrypt({ key: publicKey, ...oaep(key.nameAlgorithm) }, seed) };
  }
  const { openssl, bytes: size } = CURVES[key.curve];
  const ephemeral = createECDH(openssl);
  ephemeral.generateKeys();
  const point = ephemeral.getPublicKey();
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  return {
    seed: eccSeed(key, ephemeral, uncompressed(key, key.x, key.y), x),
    encrypted: Buffer.concat([sized(x), sized(y)]),
  };
}

function recoverSeed(key: PublicArea, privateKey: KeyObject, encrypted: Buffer): Buffer {
  if (key.type === "rsa") return decryptSeed(key.nameAlgorithm, privateKey, encrypted);
  const cursor = new Tpm2Cursor(encrypted);
  const size = CURVES[key.curve].bytes;
  const [x, y] = [cursor.sized(size, "x"), cursor.sized(size, "y")];
  cursor.end("the encrypted seed");
  const { d } = privateKey.export({ format: "jwk" });
  const own = createECDH(CURVES[key.curve].openssl);
  own.setPrivateKey(Buffer.from(d ?? "", "base64url"));
  return eccSeed(key, own, uncompressed(key, x, y), leftPad(x, size));
}

function decryptSeed(hash: HashName, privateKey: KeyObject, encrypted: Buffer): Buffer {
  try {
    return privateDecrypt({ key: privateKey, ...oaep(hash) }, encrypted);
  } catch (cause) {
    throw Object.assign(new Tpm2FormatError("the seed is encrypted for another key"), { cause });
  }
}

/** The label ends in a zero byte, which OAEP takes as part of it (Part 1, §B.4). */
function oaep(hash: HashName) {
  return { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash, oaepLabel: IDENTITY };
}

/** Part 1, §C.6.1: the x coordinates of the shared point, of the ephemeral key and of the endorsement key. */
function eccSeed(key: EccPublicArea, own: ECDH, other: Buffer, ephemeralX: Buffer): Buffer {
  const size = CURVES[key.curve].bytes;
  const shared = leftPad(sharedX(own, other), size);
  return kdfe(
    key.nameAlgorithm,
    shared,
    "IDENTITY",
    ephemeralX,
    leftPad(key.x, size),
    HASHES[key.nameAlgorithm].bytes * 8,
  );
}

/** OpenSSL refuses points off the curve here. */
function sharedX(own: ECDH, other: Buffer): Buffer {
  try {
    return own.computeSecret(other);
  } catch (cause) {
    throw Object.assign(new Tpm2FormatError("the point is not on its curve"), { cause });
  }
}

function uncompressed({ curve }: EccPublicArea, x: Buffer, y: Buffer): Buffer {
  const { bytes } = CURVES[curve];
  return Buffer.concat([Buffer.from([4]), leftPad(x, bytes), leftPad(y, bytes)]);
}

function leftPad(value: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(Math.max(0, length - value.length)), value]);
}

/** KDFa (Part 1, §11.4.10.2): SP 800-108 in counter mode with HMAC. `bits` is a multiple of eight here. */
export function kdfa(hash: HashName, key: Buffer, label: string, u: Buffer, v: Buffer, bits: number): Buffer {
  const fixed = Buffer.concat([Buffer.from(`${label}\0`, "ascii"), u, v, u32(bits)]);
  return counterMode(bits, (counter) => createHmac(hash, key).update(u32(counter)).update(fixed).digest());
}

/** KDFe (Part 1, §11.4.10.3): SP 800-56A with a hash. `bits` is a multiple of eight here. */
export function kdfe(hash: HashName, z: Buffer, label: string, u: Buffer, v: Buffer, bits: number): Buffer {
  const fixed = Buffer.concat([z, Buffer.from(`${label}\0`, "ascii"), u, v]);
  return counterMode(bits, (counter) => createHash(hash).update(u32(counter)).update(fixed).digest());
}

function counterMode(bits: number, block: (counter: number) => Buffer): Buffer {
  let out = Buffer.alloc(0);
  for (let counter = 1; out.length * 8 < bits; counter++) out = Buffer.concat([out, block(counter)]);
  return out.subarray(0, bits / 8);
}
