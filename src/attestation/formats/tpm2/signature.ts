/** TPMT_SIGNATURE (TPM 2.0 Library Part 2, §11.3.4), read and verified. */
import { constants, type KeyObject, verify } from "node:crypto";
import {
  ALG,
  algorithmText,
  CURVES,
  type CurveName,
  curveByOpenSslName,
  HASHES,
  type HashName,
  hashById,
} from "./algorithms.ts";
import { Tpm2Cursor, Tpm2FormatError } from "./cursor.ts";

export type SignatureScheme = "rsassa" | "rsapss" | "ecdsa";

export type TpmSignature = RsaSignature | EcdsaSignature;
interface RsaSignature {
  readonly scheme: "rsassa" | "rsapss";
  readonly hash: HashName;
  readonly signature: Buffer;
}
interface EcdsaSignature {
  readonly scheme: "ecdsa";
  readonly hash: HashName;
  /** Big-endian, with or without leading zeros. */
  readonly r: Buffer;
  readonly s: Buffer;
}

const MAX_RSA_BYTES = 512;
const MAX_COORDINATE_BYTES = 66;

/**
 * Reads a TPMT_SIGNATURE that fills `bytes` exactly.
 *
 * @throws Tpm2FormatError; other schemes (HMAC, ECDAA, SM2, Schnorr) and hashes are errors too
 */
export function readSignature(bytes: Buffer): TpmSignature {
  const cursor = new Tpm2Cursor(bytes);
  const algorithm = cursor.u16("signature algorithm");
  const scheme = schemeOf(algorithm);
  const hashId = cursor.u16("signature hash");
  const hash = hashById(hashId);
  if (hash === undefined)
    throw new Tpm2FormatError(`signature hash ${algorithmText(hashId)} is not supported`);
  const signature: TpmSignature =
    scheme === "ecdsa"
      ? {
          scheme,
          hash,
          r: cursor.sized(MAX_COORDINATE_BYTES, "r"),
          s: cursor.sized(MAX_COORDINATE_BYTES, "s"),
        }
      : { scheme, hash, signature: cursor.sized(MAX_RSA_BYTES, "RSA signature") };
  cursor.end("TPMT_SIGNATURE");
  return signature;
}

function schemeOf(algorithm: number): SignatureScheme {
  if (algorithm === ALG.rsassa) return "rsassa";
  if (algorithm === ALG.rsapss) return "rsapss";
  if (algorithm === ALG.ecdsa) return "ecdsa";
  throw new Tpm2FormatError(`signature algorithm ${algorithmText(algorithm)} is not supported`);
}

/** What the TPM signed with; nothing else about the key is known from the signature. */
export function schemeFits(key: KeyObject, scheme: SignatureScheme): boolean {
  return key.asymmetricKeyType === (scheme === "ecdsa" ? "ec" : "rsa");
}

/**
 * Verifies a signature over exactly these bytes. Never throws: a key of another kind, a length that does not fit and
 * numbers outside the field are signatures that do not verify.
 */
export function verifySignature(key: KeyObject, message: Uint8Array, signature: TpmSignature): boolean {
  if (!schemeFits(key, signature.scheme)) return false;
  return signature.scheme === "ecdsa"
    ? verifyEcdsa(key, message, signature)
    : verifyRsa(key, message, signature);
}

/** TPMs salt PSS with as many bytes as the digest has (Part 1, §B.7). */
function verifyRsa(key: KeyObject, message: Uint8Array, { scheme, hash, signature }: RsaSignature): boolean {
  if (signature.length * 8 !== key.asymmetricKeyDetails?.modulusLength) return false;
  if (scheme === "rsassa") return verify(hash, message, key, signature);
  const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: HASHES[hash].bytes };
  return verify(hash, message, options, signature);
}

function verifyEcdsa(key: KeyObject, message: Uint8Array, { hash, r, s }: EcdsaSignature): boolean {
  const curve = curveByOpenSslName(key.asymmetricKeyDetails?.namedCurve);
  if (curve === undefined) return false;
  const padded = [r, s].map((number) => fieldElement(number, curve));
  const [left, right] = padded;
  if (left === undefined || right === undefined) return false;
  return verify(hash, message, { key, dsaEncoding: "ieee-p1363" }, Buffer.concat([left, right]));
}

/** `number` without its leading zeros, padded to the field size; undefined for zero and for what is too long. */
function fieldElement(number: Buffer, curve: CurveName): Buffer | undefined {
  const first = number.findIndex((byte) => byte !== 0);
  const significant = first === -1 ? Buffer.alloc(0) : number.subarray(first);
  const { bytes } = CURVES[curve];
  if (significant.length === 0 || significant.length > bytes) return undefined;
  return Buffer.concat([Buffer.alloc(bytes - significant.length), significant]);
}
