import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  createPublicKey,
  ECDH,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { LRUCache } from "lru-cache";
import { KbsError } from "../errors.ts";
import type { EcTeeKey, RsaTeeKey, TeePublicKey } from "../protocol/jwk.ts";

/** Form of the answer: RFC 7516, or what clients of protocol 0.1.x expect in its place. */
export type AnswerForm = "jwe" | "quasi-jwe";

/** Everything random in one answer. Replaced in tests only, to reproduce published vectors. */
export interface WrapRandomness {
  /** @returns 32 bytes */
  contentKey(): Buffer;
  /** @returns 12 bytes */
  iv(): Buffer;
  /** Gives `ecdh` a private key. */
  ephemeral(ecdh: ECDH): void;
}

export interface WrapperOptions {
  /**
   * Also answer RSA1_5 keys in the RFC 7516 form. The padding is deprecated (RFC 8725 §3.2); clients of 0.1.x,
   * which know nothing else, get it without this switch.
   */
  readonly allowRsa1_5?: boolean;
  /** Most imported TEE keys that are kept. */
  readonly maxKeys?: number;
  readonly random?: WrapRandomness;
}

type ImportedKey =
  | { readonly kind: "ec"; readonly curve: Curve; readonly point: Buffer }
  | { readonly kind: "rsa"; readonly key: KeyObject };

interface Curve {
  readonly crv: "P-256" | "P-521";
  /** OpenSSL's name. */
  readonly group: string;
  readonly coordinateBytes: number;
}

interface WrappedContentKey {
  readonly header: string;
  readonly encryptedKey: Buffer;
}

const CURVES: Readonly<Record<EcTeeKey["crv"], Curve>> = {
  "P-256": { crv: "P-256", group: "prime256v1", coordinateBytes: 32 },
  "P-521": { crv: "P-521", group: "secp521r1", coordinateBytes: 66 },
};
const UNCOMPRESSED = Buffer.from([4]);
/** Default initial value of RFC 3394 §2.2.3.1. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);
const CONTENT_KEY_BYTES = 32;
const IV_BYTES = 12;
const DEFAULT_MAX_KEYS = 4096;

/** Concat KDF input around Z (RFC 7518 §4.6.2): round 1 before it; algorithm, no parties, 256 bits after it. */
const KDF_ROUND = u32(1);
const KDF_INFO = Buffer.concat([u32(14), Buffer.from("ECDH-ES+A256KW"), u32(0), u32(0), u32(256)]);

const SYSTEM_RANDOMNESS: WrapRandomness = {
  contentKey: () => randomBytes(CONTENT_KEY_BYTES),
  iv: () => randomBytes(IV_BYTES),
  ephemeral: (ecdh) => {
    ecdh.generateKeys();
  },
};

/**
 * Encrypts answers to the key inside the guest (KBS protocol 0.4.0 §3). Guests do not authenticate the header
 * bytes that they received: they parse the header, print it again and use that print, so it must be written as
 * they would: `alg`, `enc`, then everything else sorted by name, no white space.
 */
export class TeeWrapper {
  readonly #keys: LRUCache<string, ImportedKey>;
  readonly #allowRsa1_5: boolean;
  readonly #random: WrapRandomness;
  /** One per curve: making one costs a tenth of the exchange. Every answer gives it a new private key. */
  readonly #ecdh: Readonly<Record<Curve["crv"], ECDH>> = {
    "P-256": createECDH(CURVES["P-256"].group),
    "P-521": createECDH(CURVES["P-521"].group),
  };

  constructor(options: WrapperOptions = {}) {
    this.#keys = new LRUCache({ max: options.maxKeys ?? DEFAULT_MAX_KEYS });
    this.#allowRsa1_5 = options.allowRsa1_5 ?? false;
    this.#random = options.random ?? SYSTEM_RANDOMNESS;
  }

  /**
   * Whether an answer could be encrypted to `key`. Asked before evidence is appraised, so that a guest with an
   * unusable key learns it there.
   *
   * @throws KbsError `tee-key-rejected`
   */
  check(key: TeePublicKey, form: AnswerForm): void {
    this.#usable(key, form);
  }

  #usable(key: TeePublicKey, form: AnswerForm): ImportedKey {
    if (form === "quasi-jwe" && key.alg !== "RSA1_5")
      throw rejected("protocol 0.1 knows RSA keys with alg RSA1_5 only");
    if (form === "jwe" && key.alg === "RSA1_5" && !this.#allowRsa1_5)
      throw rejected("alg RSA1_5 is not allowed here; use RSA-OAEP-256 or an EC key");
    return this.#import(key);
  }

  /**
   * @returns JSON text, ASCII only
   * @throws KbsError `tee-key-rejected`
   */
  wrap(plaintext: Uint8Array, key: TeePublicKey, form: AnswerForm): string {
    const imported = this.#usable(key, form);
    const contentKey = this.#random.contentKey();
    try {
      const wrapped =
        imported.kind === "ec"
          ? this.#wrapForCurve(contentKey, imported.curve, imported.point)
          : wrapForRsa(contentKey, imported.key, key.alg);
      return form === "jwe"
        ? seal(plaintext, contentKey, wrapped, this.#random.iv())
        : sealQuasi(plaintext, contentKey, wrapped, this.#random.iv());
    } finally {
      contentKey.fill(0);
    }
  }

  #wrapForCurve(contentKey: Buffer, curve: Curve, point: Buffer): WrappedContentKey {
    const ecdh = this.#ecdh[curve.crv];
    this.#random.ephemeral(ecdh);
    const shared = ecdh.computeSecret(point);
    const kek = createHash("sha256").update(KDF_ROUND).update(shared).update(KDF_INFO).digest();
    const cipher = createCipheriv("id-aes256-wrap", kek, KEY_WRAP_IV);
    const encryptedKey = Buffer.concat([cipher.update(contentKey), cipher.final()]);
    shared.fill(0);
    kek.fill(0);
    return { header: ecHeader(curve, ecdh.getPublicKey()), encryptedKey };
  }

  #import(key: TeePublicKey): ImportedKey {
    const id = key.kty === "EC" ? `${key.crv}.${key.x}.${key.y}` : `${key.n}.${key.e}`;
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const imported = key.kty === "EC" ? importEc(key) : importRsa(key);
    this.#keys.set(id, imported);
    return imported;
  }
}

function wrapForRsa(contentKey: Buffer, key: KeyObject, alg: TeePublicKey["alg"]): WrappedContentKey {
  return {
    header: `{"alg":"${alg}","enc":"A256GCM"}`,
    encryptedKey: publicEncrypt({ key, ...RSA_PADDING[alg] }, contentKey),
  };
}

const RSA_PADDING = {
  "RSA-OAEP-256": { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  "ECDH-ES+A256KW": {},
} as const;

/** RFC 7516 §5.1, flattened; the authenticated data are the ASCII characters of `protected`. */
function seal(plaintext: Uint8Array, contentKey: Buffer, wrapped: WrappedContentKey, iv: Buffer): string {
  const header = Buffer.from(wrapped.header).toString("base64url");
  const cipher = createCipheriv("aes-256-gcm", contentKey, iv);
  cipher.setAAD(Buffer.from(header, "ascii"));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return answer(header, wrapped.encryptedKey, iv, ciphertext, cipher.getAuthTag().toString("base64url"));
}

/** Protocol 0.1.x: `protected` is JSON text, nothing is authenticated beside the content, the tag ends it. */
function sealQuasi(
  plaintext: Uint8Array,
  contentKey: Buffer,
  wrapped: WrappedContentKey,
  iv: Buffer,
): string {
  const cipher = createCipheriv("aes-256-gcm", contentKey, iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return answer(wrapped.header, wrapped.encryptedKey, iv, ciphertext, "");
}

function answer(header: string, key: Buffer, iv: Buffer, ciphertext: Buffer, tag: string): string {
  // Only the header may need escapes; the rest is base64url.
  return `{"protected":${JSON.stringify(header)},"encrypted_key":"${key.toString("base64url")}","iv":"${iv.toString(
    "base64url",
  )}","ciphertext":"${ciphertext.toString("base64url")}","tag":"${tag}"}`;
}

function ecHeader(curve: Curve, point: Buffer): string {
  const x = point.toString("base64url", 1, 1 + curve.coordinateBytes);
  const y = point.toString("base64url", 1 + curve.coordinateBytes);
  return `{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"crv":"${curve.crv}","kty":"EC","x":"${x}","y":"${y}"}}`;
}

/** An off-curve point would let a dishonest key leak bits of the ephemeral one; OpenSSL refuses it here. */
function importEc(key: EcTeeKey): ImportedKey {
  const curve = CURVES[key.crv];
  const point = Buffer.concat([
    UNCOMPRESSED,
    ...[key.x, key.y].map((text) => Buffer.from(text, "base64url")),
  ]);
  if (point.length !== 1 + 2 * curve.coordinateBytes)
    throw rejected(`a coordinate is not ${curve.coordinateBytes} bytes`);
  try {
    ECDH.convertKey(point, curve.group, undefined, undefined, "uncompressed");
  } catch (cause) {
    throw rejected(`the point is not on ${key.crv}`, cause);
  }
  return { kind: "ec", curve, point };
}

function importRsa(key: RsaTeeKey): ImportedKey {
  const exponent = Buffer.from(key.e, "base64url");
  const modulus = Buffer.from(key.n, "base64url");
  // With e = 1 or an even factor the content key would travel readable to the host.
  if (((exponent.at(-1) ?? 0) & 1) === 0 || BigInt(`0x0${exponent.toString("hex")}`) < 3n)
    throw rejected("the RSA exponent must be odd and at least 3");
  if (((modulus.at(-1) ?? 0) & 1) === 0 || modulus[0] === 0)
    throw rejected("the RSA modulus must be odd and without leading zero bytes");
  try {
    return {
      kind: "rsa",
      key: createPublicKey({ key: { kty: "RSA", n: key.n, e: key.e }, format: "jwk" }),
    };
  } catch (cause) {
    throw rejected("the RSA key cannot be used", cause);
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function rejected(reason: string, cause?: unknown): KbsError {
  return new KbsError("tee-key-rejected", `JWE failed: the TEE public key is refused: ${reason}.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
