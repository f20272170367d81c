import {
  constants,
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
} from "node:crypto";
import { readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { canonicalJson, isObject, member } from "../../json/write.ts";
import type { TeeKey } from "./tee-key.ts";

/** The broker's answer is not an encrypted resource that this guest can open. */
export class ResponseUnreadable extends Error {
  constructor(reason: string, cause?: unknown) {
    super(`The answer could not be decrypted: ${reason}.`, cause === undefined ? undefined : { cause });
    this.name = "ResponseUnreadable";
  }
}

interface Sealed {
  readonly alg: string;
  /** All members of the protected header but `alg` and `enc`. */
  readonly rest: JsonObject;
  readonly aad: Buffer;
  readonly encryptedKey: Buffer;
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

const GCM_TAG_BYTES = 16;
const GCM_IV_BYTES = 12;
const CONTENT_KEY_BYTES = 32;
/** Default initial value of RFC 3394 §2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6);

/**
 * Opens a resource as the deployed guests do (RFC 7516, flattened). They do not authenticate the header bytes
 * they received: they parse the header and print it again (`alg`, `enc`, then the rest sorted by name), so a
 * server that orders its header otherwise fails here as it fails there.
 *
 * @throws ResponseUnreadable
 */
export function openResponse(body: Uint8Array, key: TeeKey): Buffer {
  const sealed = readSealed(body);
  return openContent(sealed, unwrapContentKey(sealed, key));
}

/**
 * Opens the form of protocol 0.1.x: the header is plain JSON text, nothing is authenticated beside the
 * content, and the tag stands at the end of `ciphertext`.
 *
 * @throws ResponseUnreadable
 */
export function openLegacyResponse(body: Uint8Array, key: TeeKey): Buffer {
  const answer = readObject(body, "the body");
  const header = readObject(text(answer, "protected"), "the protected header");
  if (text(answer, "tag") !== "") throw new ResponseUnreadable("`tag` is not empty, as protocol 0.1 has it");
  const joined = binary(answer, "ciphertext");
  if (joined.length < GCM_TAG_BYTES) throw new ResponseUnreadable("`ciphertext` is shorter than a tag");
  const sealed: Sealed = {
    alg: text(header, "alg"),
    rest: {},
    aad: Buffer.alloc(0),
    encryptedKey: binary(answer, "encrypted_key"),
    iv: binary(answer, "iv"),
    ciphertext: joined.subarray(0, -GCM_TAG_BYTES),
    tag: joined.subarray(-GCM_TAG_BYTES),
  };
  return openContent(sealed, unwrapContentKey(sealed, key));
}

function readSealed(body: Uint8Array): Sealed {
  const answer = readObject(body, "the body");
  const header = readObject(binary(answer, "protected"), "the protected header");
  const { alg: _alg, enc: _enc, ...rest } = header;
  const alg = text(header, "alg");
  if (text(header, "enc") !== "A256GCM") throw new ResponseUnreadable("`enc` is not A256GCM");
  return {
    alg,
    rest,
    aad: Buffer.from(Buffer.from(printHeader(alg, rest)).toString("base64url")),
    encryptedKey: binary(answer, "encrypted_key"),
    iv: binary(answer, "iv"),
    ciphertext: binary(answer, "ciphertext"),
    tag: binary(answer, "tag"),
  };
}

/** The guests' own print of the header they parsed: two named members, then a sorted map. */
function printHeader(alg: string, rest: JsonObject): string {
  const sorted = canonicalJson(rest).slice(1);
  const start = `{"alg":${JSON.stringify(alg)},"enc":"A256GCM"`;
  return sorted === "}" ? `${start}}` : `${start},${sorted}`;
}

function unwrapContentKey(sealed: Sealed, key: TeeKey): Buffer {
  if (sealed.alg !== key.jwk["alg"])
    throw new ResponseUnreadable(`it is encrypted for ${sealed.alg}, not for this guest's key`);
  try {
    if (key.kind === "rsa") return decryptOaep(sealed, key);
    if (key.kind === "rsa1_5") return decryptPkcs1(sealed, key);
    return unwrapAes(agree(sealed, key), sealed.encryptedKey);
  } catch (cause) {
    if (cause instanceof ResponseUnreadable) throw cause;
    throw new ResponseUnreadable("the content key does not unwrap with this guest's key", cause);
  }
}

function decryptOaep(sealed: Sealed, key: TeeKey): Buffer {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return privateDecrypt({ key: key.privateKey, padding, oaepHash: "sha256" }, sealed.encryptedKey);
}

/**
 * RSAES-PKCS1-v1_5 by hand (RFC 8017 §7.2.2): some builds of Node refuse this padding when decrypting. A
 * guest opens one answer of the broker it pinned and reports nothing back, so there is no oracle here.
 */
function decryptPkcs1(sealed: Sealed, key: TeeKey): Buffer {
  const block = privateDecrypt(
    { key: key.privateKey, padding: constants.RSA_NO_PADDING },
    sealed.encryptedKey,
  );
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new ResponseUnreadable("bad PKCS#1 padding");
  return block.subarray(end + 1);
}

/** ECDH-ES with the Concat KDF of RFC 7518 §4.6.2: one round of SHA-256, empty party info. */
function agree(sealed: Sealed, key: TeeKey): Buffer {
  const epk = member(sealed.rest, "epk");
  if (!isObject(epk)) throw new ResponseUnreadable("the header has no `epk`");
  if (epk["crv"] !== key.jwk["crv"]) throw new ResponseUnreadable("`epk` is on another curve");
  const bytes = key.kind === "p256" ? 32 : 66;
  for (const name of ["x", "y"])
    if (binary(epk, name).length !== bytes)
      throw new ResponseUnreadable(`\`epk.${name}\` is not ${bytes} bytes`);
  const publicKey = createPublicKey({
    key: { kty: "EC", crv: text(epk, "crv"), x: text(epk, "x"), y: text(epk, "y") },
    format: "jwk",
  });
  const shared = diffieHellman({ privateKey: key.privateKey, publicKey });
  return createHash("sha256").update(u32(1)).update(shared).update(otherInfo(sealed.alg)).digest();
}

function otherInfo(alg: string): Buffer {
  const empty = u32(0);
  return Buffer.concat([u32(alg.length), Buffer.from(alg), empty, empty, u32(256)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function unwrapAes(kek: Buffer, wrapped: Buffer): Buffer {
  const decipher = createDecipheriv("id-aes256-wrap", kek, WRAP_IV);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}

function openContent(sealed: Sealed, contentKey: Buffer): Buffer {
  if (contentKey.length !== CONTENT_KEY_BYTES)
    throw new ResponseUnreadable("the content key is not 256 bits");
  if (sealed.iv.length !== GCM_IV_BYTES) throw new ResponseUnreadable("`iv` is not 96 bits");
  if (sealed.tag.length !== GCM_TAG_BYTES) throw new ResponseUnreadable("`tag` is not 128 bits");
  try {
    const decipher = createDecipheriv("aes-256-gcm", contentKey, sealed.iv, { authTagLength: GCM_TAG_BYTES });
    decipher.setAAD(sealed.aad);
    decipher.setAuthTag(sealed.tag);
    return Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]);
  } catch (cause) {
    throw new ResponseUnreadable("content and header do not match their authentication tag", cause);
  }
}

function readObject(source: string | Uint8Array, what: string): JsonObject {
  let value: JsonValue;
  try {
    value = readJson(source);
  } catch (cause) {
    throw new ResponseUnreadable(`${what} is not JSON`, cause);
  }
  if (!isObject(value)) throw new ResponseUnreadable(`${what} is not a JSON object`);
  return value;
}

function text(object: JsonObject, name: string): string {
  const value = member(object, name);
  if (typeof value !== "string") throw new ResponseUnreadable(`\`${name}\` is missing or no string`);
  return value;
}

/** Unpadded base64url, as strict as the guests' decoder. */
function binary(object: JsonObject, name: string): Buffer {
  const value = text(object, name);
  const bytes = Buffer.from(value, "base64url");
  if (bytes.toString("base64url") !== value)
    throw new ResponseUnreadable(`\`${name}\` is not unpadded base64url`);
  return bytes;
}
