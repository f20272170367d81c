import type { KeyObject } from "node:crypto";
import {
  CborError,
  type CborMap,
  CborTag,
  type CborValue,
  isCborArray,
  isCborBytes,
} from "../../crypto/cbor.ts";
import {
  COSE_HEADER,
  COSE_SIGN1_TAG,
  CoseError,
  type CoseSign1,
  coseSign1,
  verifyCoseSign1,
} from "../../crypto/cose-sign1.ts";
import type { SignatureAlgorithm } from "../../crypto/signature-algorithms.ts";
import { asBytes, asList, asMap, asTime, readItem, untagged } from "./cbor-walk.ts";
import { collectComid } from "./comid.ts";
import { Collected, type Extraction, type ManifestSignature, malformed } from "./manifest.ts";

/**
 * Type `corim`: a Concise Reference Integrity Manifest (draft-ietf-rats-corim §4), signed as COSE_Sign1 or not. The
 * reference triples of its CoMIDs become values, under names as Trustee's extractor makes them.
 */

/** Tags around a CoRIM: what old tools wrapped it in, the signed and the unsigned one. */
const TAG = { corim: 500, unsigned: 501, signed: 502, comid: 506 } as const;
const OTHER_TAGS: ReadonlyMap<number | bigint, string> = new Map([
  [505, "a CoSWID"],
  [508, "a list of tags"],
]);
/** Members of corim-map. */
const CORIM = { tags: 1, validity: 4 } as const;
/** Header with the signer's name and the validity of the signature, a CBOR map in a byte string (§4.2.2). */
const CORIM_META = 8;
/** Header with CWT claims (RFC 9597). */
const CWT_CLAIMS = 15;
const CONTENT_TYPES: readonly CborValue[] = [
  "application/rim+cbor",
  "application/corim-unsigned+cbor",
  "application/rim+cose",
];
const MAX_CERTIFICATES = 10;

interface Times {
  readonly issuedAt?: number;
  readonly validFrom?: number;
  readonly validUntil?: number;
}

/** @throws KbsError `reference-value-invalid` with the path of the item */
export function extractCorim(payload: Buffer): Extraction {
  const item = untagged(untagged(readItem(payload, "the whole"), TAG.corim), TAG.signed);
  const isSigned = (item instanceof CborTag && item.tag === COSE_SIGN1_TAG) || isCborArray(item);
  if (!isSigned) return { ...extractUnsigned(item) };
  const message = parseSigned(untagged(item, COSE_SIGN1_TAG));
  // Only a hint for the reader of a refusal: the values are read before anybody asks whose signature it is.
  const inner = untagged(readItem(asBytes(message.payload, "payload"), "payload"), TAG.corim);
  const unsigned = extractUnsigned(inner);
  return {
    ...unsigned,
    ...narrower(unsigned, signatureTimes(message)),
    signature: new CoseSignature(message),
  };
}

function extractUnsigned(item: CborValue): Extraction {
  const corim = asMap(untagged(item, TAG.unsigned), "corim");
  const collected = new Collected();
  for (const [at, tag] of asList(corim.get(CORIM.tags), "corim.tags").entries())
    collectTag(tag, `corim.tags[${at}]`, collected);
  const validity = corim.get(CORIM.validity);
  return {
    ...collected.finish(),
    ...(validity === undefined ? {} : validityOf(validity, "corim.rim-validity")),
  };
}

function collectTag(tag: CborValue, position: string, collected: Collected): void {
  // Bytes without a tag are what older tools wrote for a CoMID.
  if (isCborBytes(tag) || (tag instanceof CborTag && tag.tag === TAG.comid)) {
    collectComid(readItem(asBytes(untagged(tag, TAG.comid), position), position), position, collected);
    return;
  }
  if (!(tag instanceof CborTag)) throw malformed("payload-malformed", "a tagged tag is expected", position);
  const kind = OTHER_TAGS.get(tag.tag) ?? `a tag ${tag.tag}`;
  collected.leaveOut(`${kind}: only CoMIDs hold reference values`, position);
}

/** validity-map: `{? 0: not-before, 1: not-after}`. What is valid from a moment was made at that moment. */
function validityOf(value: CborValue, position: string): Times {
  const map = asMap(value, position);
  const validUntil = asTime(map.get(1), `${position}.not-after`);
  const notBefore = map.get(0);
  if (notBefore === undefined) return { validUntil };
  const validFrom = asTime(notBefore, `${position}.not-before`);
  return { issuedAt: validFrom, validFrom, validUntil };
}

/** Who limits twice means both. */
function narrower(left: Times, right: Times): Times {
  const issuedAt = right.issuedAt ?? left.issuedAt;
  const from = [left.validFrom, right.validFrom].filter((time) => time !== undefined);
  const until = [left.validUntil, right.validUntil].filter((time) => time !== undefined);
  return {
    ...(issuedAt === undefined ? {} : { issuedAt }),
    ...(from.length === 0 ? {} : { validFrom: Math.max(...from) }),
    ...(until.length === 0 ? {} : { validUntil: Math.min(...until) }),
  };
}

function parseSigned(item: CborValue): CoseSign1 {
  const message = readSigned(item);
  const contentType = message.protectedHeader.get(COSE_HEADER.contentType);
  // A signature over something else that happens to look like a CoRIM is no signature over a CoRIM.
  if (!CONTENT_TYPES.includes(contentType ?? null))
    throw malformed(
      "payload-malformed",
      "the content type in its protected header is not that of a CoRIM",
      "header",
    );
  return message;
}

function readSigned(item: CborValue): CoseSign1 {
  try {
    return coseSign1(item);
  } catch (error) {
    if (!(error instanceof CoseError || error instanceof CborError)) throw error;
    throw malformed(
      "payload-malformed",
      `the payload is not a COSE_Sign1 message: ${error.message}`,
      "the whole",
    );
  }
}

/** When the signature was made and how long it holds, from either of the headers that drafts have put it in. */
function signatureTimes({ protectedHeader }: CoseSign1): Times {
  const meta = protectedHeader.get(CORIM_META);
  const claims = protectedHeader.get(CWT_CLAIMS);
  return narrower(
    meta === undefined
      ? {}
      : metaTimes(
          asMap(readItem(asBytes(meta, "header.corim-meta"), "header.corim-meta"), "header.corim-meta"),
        ),
    claims === undefined ? {} : claimTimes(asMap(claims, "header.cwt-claims")),
  );
}

function metaTimes(meta: CborMap): Times {
  const validity = meta.get(1);
  return validity === undefined ? {} : validityOf(validity, "header.corim-meta.signature-validity");
}

/** CWT claims exp (4), nbf (5) and iat (6), RFC 8392 §3.1: seconds without a tag. */
function claimTimes(claims: CborMap): Times {
  const [validUntil, validFrom, issuedAt] = [4, 5, 6].map((claim) => {
    const seconds = claims.get(claim);
    if (seconds === undefined) return undefined;
    return asTime(
      seconds instanceof CborTag ? seconds : new CborTag(1, seconds),
      `header.cwt-claims[${claim}]`,
    );
  });
  const made = issuedAt ?? validFrom;
  return {
    ...(made === undefined ? {} : { issuedAt: made }),
    ...(validFrom === undefined ? {} : { validFrom }),
    ...(validUntil === undefined ? {} : { validUntil }),
  };
}

class CoseSignature implements ManifestSignature {
  readonly algorithm: SignatureAlgorithm;
  readonly certificates: readonly Uint8Array[];
  readonly #message: CoseSign1;

  constructor(message: CoseSign1) {
    this.#message = message;
    this.algorithm = message.algorithm;
    this.certificates = certificatesOf(message);
  }

  isBy(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
    return verifyCoseSign1(this.#message, algorithm, key);
  }
}

/** x5chain (RFC 9360 §2): one certificate, or an array of them, leaf first. A chain needs no protection. */
function certificatesOf({ protectedHeader, unprotectedHeader }: CoseSign1): readonly Uint8Array[] {
  const chain = protectedHeader.get(COSE_HEADER.x5chain) ?? unprotectedHeader.get(COSE_HEADER.x5chain);
  if (chain === undefined) return [];
  if (isCborBytes(chain)) return [chain];
  const list = asList(chain, "header.x5chain");
  if (list.length > MAX_CERTIFICATES)
    throw malformed("payload-malformed", `more than ${MAX_CERTIFICATES} certificates`, "header.x5chain");
  return list.map((der, at) => asBytes(der, `header.x5chain[${at}]`));
}
