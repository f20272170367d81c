import { asBuffer } from "../crypto/bytes.ts";
import { CborError, type CborMap, type CborValue, decodeCbor, isCborMap } from "../crypto/cbor.ts";
import {
  COSE_HEADER,
  CoseError,
  type CoseSign1,
  parseCoseSign1,
  toBeSigned,
  x5chainOf,
} from "../crypto/cose-sign1.ts";
import type { JsonObject } from "../json/value.ts";
import { jsonClaims } from "./cbor-claims.ts";
import type { TokenEncoding } from "./forms.ts";
import { MAX_TOKEN_LENGTH, parseBase64url, parseCompactJws, parseObject } from "./jws.ts";
import { tokenRefused } from "./refusal.ts";

/** A token taken apart, whichever way it is written; nothing in it is believed yet. */
export interface SignedToken {
  readonly encoding: TokenEncoding;
  /** As in JOSE: `alg`, `kid`, `jwk`, `x5c`. It only chooses among configured keys. */
  readonly header: JsonObject;
  readonly signed: Buffer;
  readonly signature: Buffer;
  /** Reads the payload: for whoever has verified the signature. @throws KbsError `token-rejected` */
  claims(): JsonObject;
}

/** A CWT may stand in its own tag around that of COSE (RFC 8392 §6). */
const CWT_TAG = 61;
/** Nobody vouches for what stands around the claims; they themselves are one item there, read once somebody does. */
const HEADER_LIMITS = { maxBytes: MAX_TOKEN_LENGTH, maxDepth: 8, maxItems: 1_000 };
/** Claims nest deeper than headers, for evidence stands in them; and one library writes maps of indefinite length. */
const CLAIMS_LIMITS = { maxBytes: MAX_TOKEN_LENGTH, maxDepth: 64, allowIndefinite: true };

/**
 * @param token - a compact JWS, or a COSE_Sign1 message in base64url, which has no dot in it
 * @throws KbsError `token-rejected`
 */
export function parseToken(token: string): SignedToken {
  if (token.includes(".")) {
    const { header, payload, signed, signature } = parseCompactJws(token);
    return { encoding: "jwt", header, signed, signature, claims: () => parseObject(payload, "payload") };
  }
  if (token.length > MAX_TOKEN_LENGTH) throw tokenRefused("it is too long");
  return parseCwt(parseBase64url(token));
}

/** @param bytes - COSE_Sign1 with or without its tag, and with or without that of CWT around it */
export function parseCwt(bytes: Buffer): SignedToken {
  const message = refusing("it is neither a JWT nor a CWT", () =>
    parseCoseSign1(bytes, HEADER_LIMITS, CWT_TAG),
  );
  const { payload, signature, algorithm } = message;
  if (payload === undefined) throw tokenRefused("it carries no claims");
  return {
    encoding: "cwt",
    header: { alg: algorithm, ...keyHints(message) },
    signed: toBeSigned(message, payload),
    signature: asBuffer(signature),
    claims: () => jsonClaims(claimsIn(payload)),
  };
}

function claimsIn(payload: Uint8Array): CborMap {
  const claims = refusing("its claims are malformed", () => decodeCbor(payload, CLAIMS_LIMITS));
  if (!isCborMap(claims)) throw tokenRefused("its claims are not a map");
  return claims;
}

/** `kid` is text where it can be: key sets name keys so. */
function keyHints(message: CoseSign1): JsonObject {
  const kid = headerValue(message, COSE_HEADER.kid);
  const chain = refusing("its x5chain is malformed", () => x5chainOf(message));
  return {
    ...(kid instanceof Uint8Array ? { kid: textOrBase64url(kid) } : {}),
    ...(chain.length === 0 ? {} : { x5c: chain.map((der) => asBuffer(der).toString("base64")) }),
  };
}

function headerValue({ protectedHeader, unprotectedHeader }: CoseSign1, name: number): CborValue | undefined {
  return protectedHeader.get(name) ?? unprotectedHeader.get(name);
}

function textOrBase64url(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return asBuffer(bytes).toString("base64url");
  }
}

function refusing<T>(reason: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CborError || error instanceof CoseError) throw tokenRefused(reason, error);
    throw error;
  }
}
