/** TPMT_PUBLIC (TPM 2.0 Library Part 2, §12.2.4): a key with everything its name stands for. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import {
  ALG,
  algorithmText,
  CURVES,
  type CurveName,
  curveById,
  HASHES,
  type HashName,
  hashById,
} from "./algorithms.ts";
import { Tpm2Cursor, Tpm2FormatError, u16 } from "./cursor.ts";

/** TPMA_OBJECT bits (Part 2, §8.3). */
export const ATTRIBUTE = {
  fixedTPM: 1,
  stClear: 2,
  fixedParent: 4,
  sensitiveDataOrigin: 5,
  userWithAuth: 6,
  adminWithPolicy: 7,
  noDA: 10,
  encryptedDuplication: 11,
  restricted: 16,
  decrypt: 17,
  sign: 18,
} as const;
export type Attribute = keyof typeof ATTRIBUTE;

export interface Symmetric {
  readonly algorithm: number;
  readonly keyBits: number;
  readonly mode: number;
}

interface Common {
  /** The TPMT_PUBLIC, without a length in front. */
  readonly bytes: Buffer;
  readonly nameAlgorithm: HashName;
  readonly attributes: number;
  readonly authPolicy: Buffer;
  /** `undefined`: TPM_ALG_NULL. */
  readonly symmetric: Symmetric | undefined;
  /** Algorithm of the scheme; `undefined`: TPM_ALG_NULL. */
  readonly scheme: number | undefined;
  /** Hash of the scheme, as an algorithm id. */
  readonly schemeHash: number | undefined;
}
export interface RsaPublicArea extends Common {
  readonly type: "rsa";
  readonly keyBits: number;
  readonly exponent: number;
  readonly modulus: Buffer;
}
export interface EccPublicArea extends Common {
  readonly type: "ecc";
  readonly curve: CurveName;
  readonly x: Buffer;
  readonly y: Buffer;
}
export type PublicArea = RsaPublicArea | EccPublicArea;

const MAX_PUBLIC_BYTES = 1024;
const MAX_MODULUS_BYTES = 512;
const MAX_COORDINATE_BYTES = 66;
const DEFAULT_EXPONENT = 65537;

/**
 * Reads a TPM2B_PUBLIC, or a TPMT_PUBLIC on its own, that fills `bytes` exactly. The two cannot be mistaken for one
 * another: the length that stands in front of the first is never a key type, which begins the second.
 *
 * @throws Tpm2FormatError; key types other than RSA and ECC on the NIST curves are errors too
 */
export function readPublicArea(bytes: Buffer): PublicArea {
  if (bytes.length > MAX_PUBLIC_BYTES) throw new Tpm2FormatError(`${bytes.length} bytes for a public area`);
  const isWrapped = bytes.length > 2 && bytes.readUInt16BE(0) === bytes.length - 2;
  return readPublic(isWrapped ? bytes.subarray(2) : bytes);
}

function readPublic(bytes: Buffer): PublicArea {
  const cursor = new Tpm2Cursor(bytes);
  const type = cursor.u16("key type");
  const nameId = cursor.u16("nameAlg");
  const nameAlgorithm = hashById(nameId);
  if (nameAlgorithm === undefined)
    throw new Tpm2FormatError(`nameAlg ${algorithmText(nameId)} is not supported`);
  const attributes = cursor.u32("objectAttributes");
  const authPolicy = cursor.sized(HASHES.sha512.bytes, "authPolicy");
  const symmetric = readSymmetric(cursor);
  const common = { bytes, nameAlgorithm, attributes, authPolicy, symmetric, ...readScheme(cursor) };
  if (type === ALG.rsa) return readRsa(cursor, common);
  if (type === ALG.ecc) return readEcc(cursor, common);
  throw new Tpm2FormatError(`key type ${algorithmText(type)} is not supported`);
}

function readSymmetric(cursor: Tpm2Cursor): Symmetric | undefined {
  const algorithm = cursor.u16("symmetric algorithm");
  if (algorithm === ALG.null) return undefined;
  return { algorithm, keyBits: cursor.u16("symmetric key bits"), mode: cursor.u16("symmetric mode") };
}

function readScheme(cursor: Tpm2Cursor): Pick<Common, "scheme" | "schemeHash"> {
  const scheme = cursor.u16("scheme");
  if (scheme === ALG.null) return { scheme: undefined, schemeHash: undefined };
  const schemeHash = cursor.u16("scheme hash");
  if (scheme === ALG.ecdaa) cursor.u16("scheme count");
  return { scheme, schemeHash };
}

function readRsa(cursor: Tpm2Cursor, common: Common): RsaPublicArea {
  const keyBits = cursor.u16("key bits");
  const exponent = cursor.u32("exponent");
  const modulus = cursor.sized(MAX_MODULUS_BYTES, "modulus");
  cursor.end("TPMT_PUBLIC");
  if (modulus.length * 8 !== keyBits)
    throw new Tpm2FormatError(`a modulus of ${modulus.length} bytes for ${keyBits} bits`);
  return { ...common, type: "rsa", keyBits, exponent: exponent === 0 ? DEFAULT_EXPONENT : exponent, modulus };
}

function readEcc(cursor: Tpm2Cursor, common: Common): EccPublicArea {
  const curveId = cursor.u16("curve");
  const curve = curveById(curveId);
  if (curve === undefined) throw new Tpm2FormatError(`curve ${curveId} is not supported`);
  if (cursor.u16("kdf") !== ALG.null) cursor.u16("kdf hash");
  const x = cursor.sized(MAX_COORDINATE_BYTES, "x");
  const y = cursor.sized(MAX_COORDINATE_BYTES, "y");
  cursor.end("TPMT_PUBLIC");
  const { bytes } = CURVES[curve];
  if (x.length > bytes || y.length > bytes)
    throw new Tpm2FormatError(`a coordinate longer than the field of ${curve}`);
  return { ...common, type: "ecc", curve, x, y };
}

/** @param name - of one bit of objectAttributes */
export function hasAttribute({ attributes }: PublicArea, name: Attribute): boolean {
  return ((attributes >>> ATTRIBUTE[name]) & 1) === 1;
}

/** The key's Name: nameAlg and the digest of the public area by it (Part 1, §16). 22 to 66 bytes. */
export function objectName({ bytes, nameAlgorithm }: PublicArea): Buffer {
  const digest = createHash(nameAlgorithm).update(bytes).digest();
  return Buffer.concat([u16(HASHES[nameAlgorithm].id), digest]);
}

/**
 * The key for `node:crypto`.
 *
 * @throws Tpm2FormatError for a point off its curve, a coordinate above the field prime, or a modulus that is none
 */
export function publicKeyOf(area: PublicArea): KeyObject {
  try {
    return createPublicKey({ key: jwkOf(area), format: "jwk" });
  } catch (cause) {
    throw Object.assign(new Tpm2FormatError("the public key is not valid"), { cause });
  }
}

function jwkOf(area: PublicArea) {
  if (area.type === "rsa") {
    const exponent = Buffer.alloc(4);
    exponent.writeUInt32BE(area.exponent);
    const first = exponent.findIndex((byte) => byte !== 0);
    return {
      kty: "RSA",
      n: area.modulus.toString("base64url"),
      e: exponent.subarray(first).toString("base64url"),
    };
  }
  const { bytes } = CURVES[area.curve];
  const coordinate = (value: Buffer) =>
    Buffer.concat([Buffer.alloc(bytes - value.length), value]).toString("base64url");
  return { kty: "EC", crv: area.curve, x: coordinate(area.x), y: coordinate(area.y) };
}

/**
 * What keeps a key from being an attestation key, as one sentence part; undefined when nothing does. An unrestricted
 * key signs whatever it is given, a made-up quote included, so a signature by one proves nothing.
 */
export function attestationKeyFault(area: PublicArea): string | undefined {
  for (const name of ["fixedTPM", "fixedParent", "sensitiveDataOrigin", "restricted", "sign"] as const)
    if (!hasAttribute(area, name)) return `${name} is not set`;
  if (hasAttribute(area, "decrypt")) return "decrypt is set";
  const schemes: readonly number[] = area.type === "rsa" ? [ALG.rsassa, ALG.rsapss] : [ALG.ecdsa];
  if (area.scheme === undefined || !schemes.includes(area.scheme))
    return "it has no signing scheme of its own";
  return undefined;
}

/** What keeps a key from being an endorsement key: it has to be restricted, decrypt, and live in one TPM. */
export function endorsementKeyFault(area: PublicArea): string | undefined {
  for (const name of ["fixedTPM", "fixedParent", "sensitiveDataOrigin", "restricted", "decrypt"] as const)
    if (!hasAttribute(area, name)) return `${name} is not set`;
  if (hasAttribute(area, "sign")) return "sign is set";
  const { symmetric } = area;
  const isAesCfb =
    symmetric !== undefined &&
    symmetric.algorithm === ALG.aes &&
    symmetric.mode === ALG.cfb &&
    (symmetric.keyBits === 128 || symmetric.keyBits === 256);
  return isAesCfb ? undefined : "its symmetric algorithm is not AES-128-CFB or AES-256-CFB";
}

/**
 * Whether a signature is by the key's own scheme: a restricted key signs with no other. ECDAA and the like do not get
 * this far.
 */
export function isOwnScheme(
  { scheme, schemeHash }: PublicArea,
  signature: { readonly scheme: "rsassa" | "rsapss" | "ecdsa"; readonly hash: HashName },
): boolean {
  return scheme === ALG[signature.scheme] && schemeHash === HASHES[signature.hash].id;
}
