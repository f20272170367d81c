import type { KeyObject } from "node:crypto";
import {
  type CborKey,
  type CborLimits,
  type CborMap,
  CborTag,
  type CborValue,
  decodeCbor,
  encodeCbor,
  isCborArray,
  isCborBytes,
  isCborMap,
} from "./cbor.ts";
import { type SignatureAlgorithm, verifyWith } from "./signature-algorithms.ts";

/** COSE_Sign1 (RFC 9052 §4.2): one signer, claims or any other bytes as payload. */

/** Header labels (RFC 9052 §3.1, RFC 9360 §2). */
export const COSE_HEADER = { alg: 1, crit: 2, contentType: 3, kid: 4, x5chain: 33 } as const;
export const COSE_SIGN1_TAG = 18;

/** COSE algorithm → JOSE name (IANA COSE Algorithms; the second rows of RFC 9864 name the curve as well). */
const ALGORITHMS: ReadonlyMap<CborValue, SignatureAlgorithm> = new Map([
  [-7, "ES256"],
  [-35, "ES384"],
  [-36, "ES512"],
  [-8, "EdDSA"],
  [-37, "PS256"],
  [-38, "PS384"],
  [-39, "PS512"],
  [-9, "ES256"],
  [-51, "ES384"],
  [-52, "ES512"],
  [-19, "EdDSA"],
]);
/** What is written: the number that every library knows. */
const NUMBERS: Readonly<Partial<Record<SignatureAlgorithm, number>>> = {
  ES256: -7,
  ES384: -35,
  ES512: -36,
  EdDSA: -8,
  PS256: -37,
  PS384: -38,
  PS512: -39,
};
/** Labels that may be marked critical because they are honoured here, or by whoever calls. */
const UNDERSTOOD: readonly CborValue[] = [
  COSE_HEADER.alg,
  COSE_HEADER.contentType,
  COSE_HEADER.kid,
  COSE_HEADER.x5chain,
];

/** A message taken apart; nothing in it is believed yet. */
export interface CoseSign1 {
  /** As received: these bytes are signed. */
  readonly protectedBytes: Uint8Array;
  readonly protectedHeader: CborMap;
  readonly unprotectedHeader: CborMap;
  /** `undefined`: detached, the caller has it from elsewhere. */
  readonly payload: Uint8Array | undefined;
  readonly signature: Uint8Array;
  /** From the protected header, as JOSE names it. */
  readonly algorithm: SignatureAlgorithm;
}

/** Bytes that are no COSE_Sign1 message, or one that asks for what is not understood. */
export class CoseError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = "CoseError";
  }
}

/**
 * @param bytes - with tag 18 or without
 * @param outerTag - a tag that may stand around that, say of CWT
 * @throws CborError, CoseError
 */
export function parseCoseSign1(bytes: Uint8Array, limits: CborLimits = {}, outerTag?: number): CoseSign1 {
  const outer = decodeCbor(bytes, limits);
  const value = outerTag === undefined ? outer : untagged(outer, outerTag);
  return coseSign1(untagged(value, COSE_SIGN1_TAG), limits);
}

function untagged(value: CborValue, tag: number): CborValue {
  return value instanceof CborTag && value.tag === tag ? value.value : value;
}

/**
 * The message in a decoded item, its tag already taken off.
 * @throws CborError, CoseError
 */
export function coseSign1(value: CborValue, limits: CborLimits = {}): CoseSign1 {
  if (!isCborArray(value) || value.length !== 4) throw new CoseError("not an array of four");
  const [protectedBytes, unprotectedHeader, payload, signature] = value;
  if (!isCborBytes(protectedBytes) || !isCborMap(unprotectedHeader) || !isCborBytes(signature))
    throw new CoseError("not the four parts of COSE_Sign1");
  if (!isCborBytes(payload) && payload !== null) throw new CoseError("a payload that is not bytes");
  const protectedHeader = headerOf(protectedBytes, limits);
  checkHeaders(protectedHeader, unprotectedHeader);
  return {
    protectedBytes,
    protectedHeader,
    unprotectedHeader,
    payload: payload ?? undefined,
    signature,
    algorithm: algorithmOf(protectedHeader),
  };
}

/**
 * Whether `key` made the signature, with the algorithm that the caller fixed: the message can only agree with it.
 *
 * @param detached - the payload when the message carries none; given together with one it is refused
 */
export function verifyCoseSign1(
  message: CoseSign1,
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  detached?: Uint8Array,
): boolean {
  if (message.algorithm !== algorithm) return false;
  if ((message.payload === undefined) === (detached === undefined)) return false;
  const payload = message.payload ?? detached;
  if (payload === undefined) return false;
  return verifyWith(algorithm, key, toBeSigned(message, payload), message.signature);
}

/** What the signature of a message is over: for whoever verifies it himself. */
export function toBeSigned({ protectedBytes }: CoseSign1, payload: Uint8Array): Buffer {
  return sigStructure(protectedBytes, payload);
}

/**
 * The certificates that a message brings along, leaf first (`x5chain`, RFC 9360 §2); none when there are none.
 * They prove nothing until a chain to a configured anchor held.
 *
 * @throws CoseError when the header is neither a certificate nor a list of some
 */
export function x5chainOf({ protectedHeader, unprotectedHeader }: CoseSign1): readonly Uint8Array[] {
  const value = protectedHeader.get(COSE_HEADER.x5chain) ?? unprotectedHeader.get(COSE_HEADER.x5chain);
  if (value === undefined) return [];
  if (isCborBytes(value)) return [value];
  if (!isCborArray(value) || value.length === 0 || !value.every(isCborBytes))
    throw new CoseError("an x5chain that is no list of certificates");
  return value;
}

/** A message that waits for its signature. */
export interface CoseSign1Draft {
  /** What is signed. */
  readonly toBeSigned: Buffer;
  /** @returns the message with tag 18 */
  finish(signature: Uint8Array): Buffer;
}

/**
 * Prepares a message; the signature is made elsewhere, maybe by another machine.
 *
 * @param header - further protected headers; `alg` is set here
 * @throws TypeError for an algorithm that COSE has no number for
 */
export function draftCoseSign1(
  algorithm: SignatureAlgorithm,
  payload: Uint8Array,
  header: Iterable<readonly [CborKey, CborValue]> = [],
  unprotectedHeader: CborMap = new Map(),
): CoseSign1Draft {
  const number = NUMBERS[algorithm];
  if (number === undefined) throw new TypeError(`${algorithm} is not used with COSE`);
  const protectedBytes = encodeCbor(new Map<CborKey, CborValue>([...header, [COSE_HEADER.alg, number]]));
  return {
    toBeSigned: sigStructure(protectedBytes, payload),
    finish: (signature) =>
      encodeCbor(new CborTag(COSE_SIGN1_TAG, [protectedBytes, unprotectedHeader, payload, signature])),
  };
}

/** Sig_structure (RFC 9052 §4.4) without external data. */
function sigStructure(protectedBytes: Uint8Array, payload: Uint8Array): Buffer {
  // An empty map stands as an empty string, whichever way the message wrote it.
  const header = protectedBytes.byteLength === 1 ? new Uint8Array() : protectedBytes;
  return encodeCbor(["Signature1", header, new Uint8Array(), payload]);
}

function headerOf(bytes: Uint8Array, limits: CborLimits): CborMap {
  if (bytes.byteLength === 0) return new Map();
  const header = decodeCbor(bytes, limits);
  if (!isCborMap(header)) throw new CoseError("a protected header that is not a map");
  return header;
}

/** RFC 9052 §3 and §3.1: no label in both headers; `crit` is protected and names only what is understood. */
function checkHeaders(protectedHeader: CborMap, unprotectedHeader: CborMap): void {
  for (const label of unprotectedHeader.keys())
    if (protectedHeader.has(label)) throw new CoseError("a header label that stands in both headers");
  if (unprotectedHeader.has(COSE_HEADER.crit)) throw new CoseError("a crit header that is not protected");
  const critical = protectedHeader.get(COSE_HEADER.crit);
  if (critical === undefined) return;
  if (!isCborArray(critical) || critical.length === 0)
    throw new CoseError("a crit header that is not a list");
  const understood = (label: CborValue) =>
    UNDERSTOOD.includes(label) &&
    (typeof label === "number" || typeof label === "string") &&
    protectedHeader.has(label);
  if (!critical.every(understood)) throw new CoseError("a critical header that is not understood");
}

function algorithmOf(protectedHeader: CborMap): SignatureAlgorithm {
  const number = protectedHeader.get(COSE_HEADER.alg);
  const algorithm = number === undefined ? undefined : ALGORITHMS.get(number);
  if (algorithm === undefined) throw new CoseError("no signature algorithm that is known");
  return algorithm;
}
