import { type KeyObject, verify } from "node:crypto";
import { fitsAlgorithm, type SignatureAlgorithm, verifyWith } from "../../crypto/signature-algorithms.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import { type ManifestSignature, malformed } from "./manifest.ts";

/** Dead Simple Signing Envelope 1.0: JSON around a payload, its type and signatures over both. */
export interface DsseEnvelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: ManifestSignature;
}

const MAX_SIGNATURES = 8;
const HASHES: Readonly<Partial<Record<SignatureAlgorithm, string>>> = {
  ES256: "sha256",
  ES384: "sha384",
  ES512: "sha512",
};

/** @throws KbsError `reference-value-invalid` */
export function parseDsse(envelope: JsonObject): DsseEnvelope {
  const payloadType = text(envelope, "payloadType");
  const payload = base64(text(envelope, "payload"), "payload");
  const signatures = member(envelope, "signatures");
  if (!isArray(signatures) || signatures.length === 0 || signatures.length > MAX_SIGNATURES)
    throw malformed("payload-malformed", `an envelope has 1 to ${MAX_SIGNATURES} signatures`, "/signatures");
  const values = signatures.map((each, at) => signatureOf(each, `/signatures/${at}`));
  return {
    payloadType,
    payload,
    signature: new DsseSignature(preAuthEncoding(payloadType, payload), values),
  };
}

/** PAE of the DSSE protocol: `DSSEv1 <length> <type> <length> <payload>`, lengths in bytes. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

class DsseSignature implements ManifestSignature {
  readonly algorithm: undefined;
  readonly certificates: readonly Uint8Array[] = [];
  readonly #signed: Buffer;
  readonly #values: readonly Buffer[];

  constructor(signed: Buffer, values: readonly Buffer[]) {
    this.#signed = signed;
    this.#values = values;
  }

  /** `keyid` in an envelope is not signed, so it is not looked at. */
  isBy(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
    return this.#values.some((value) => verifyEither(algorithm, key, this.#signed, value));
  }
}

/** The envelope does not fix how ECDSA signatures are written: tools write DER, some JavaScript ones r and s. */
function verifyEither(algorithm: SignatureAlgorithm, key: KeyObject, data: Buffer, value: Buffer): boolean {
  if (verifyWith(algorithm, key, data, value)) return true;
  const hash = HASHES[algorithm];
  if (hash === undefined || key.type !== "public" || !fitsAlgorithm(algorithm, key)) return false;
  return verify(hash, data, { key, dsaEncoding: "der" }, value);
}

function signatureOf(value: JsonValue, position: string): Buffer {
  if (!isObject(value)) throw malformed("payload-malformed", "a signature is an object", position);
  return base64(text(value, "sig", `${position}/sig`), `${position}/sig`);
}

function text(object: JsonObject, name: string, position = `/${name}`): string {
  const value = member(object, name);
  if (typeof value !== "string") throw malformed("payload-malformed", "text is expected", position);
  return value;
}

/** Standard or URL-safe, as the protocol allows; padding may be missing. */
function base64(encoded: string, position: string): Buffer {
  const bytes = Buffer.from(encoded, "base64");
  const bare = encoded.replace(/={1,2}$/, "");
  if (bytes.toString("base64").replace(/=+$/, "") === bare || bytes.toString("base64url") === bare)
    return bytes;
  throw malformed("payload-malformed", "base64 is expected", position);
}
