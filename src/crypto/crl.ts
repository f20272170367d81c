import { createHash } from "node:crypto";
import {
  type Extension,
  parseExtensions,
  type SignatureAlgorithm,
  signatureAlgorithm,
} from "./certificate.ts";
import {
  DerError,
  DerReader,
  integerBytes,
  readDer,
  smallInteger,
  TAG,
  timeValue,
  wholeBits,
} from "./der.ts";

/** A certificate revocation list (RFC 5280 §5). Node has no reader for these. */
export interface RevocationList {
  readonly der: Buffer;
  /** Lower-case hex of the SHA-256 over the DER. */
  readonly fingerprint: string;
  readonly tbs: Buffer;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Buffer;
  readonly issuerDer: Buffer;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  /** `undefined`: the list names no end, which makes it useless (it could be replayed for ever). */
  readonly nextUpdate: number | undefined;
  /** Serial numbers, lower-case hex of the INTEGER's content. */
  readonly revoked: ReadonlySet<string>;
  readonly extensions: ReadonlyMap<string, Extension>;
}

const MAX_CRL_BYTES = 1024 * 1024;

/**
 * Reads one version 2 list that fills `der` exactly. Nothing is verified here.
 *
 * @throws DerError
 */
export function parseRevocationList(der: Buffer): RevocationList {
  if (der.length > MAX_CRL_BYTES) throw new DerError("too long for a revocation list");
  const outer = new DerReader(readDer(der, TAG.sequence).content);
  const tbs = outer.next(TAG.sequence);
  const algorithm = outer.next(TAG.sequence);
  const signature = wholeBits(outer.next(TAG.bitString));
  outer.end();
  const body = new DerReader(tbs.content);
  if (smallInteger(body.next(TAG.integer)) !== 1) throw new DerError("not a version 2 revocation list");
  if (!body.next(TAG.sequence).whole.equals(algorithm.whole))
    throw new DerError("the two signature algorithms of the revocation list differ");
  const issuerDer = body.next(TAG.sequence).whole;
  const thisUpdate = timeValue(body.next());
  const nextUpdate = body.optional(TAG.utcTime) ?? body.optional(TAG.generalizedTime);
  const entries = body.optional(TAG.sequence);
  const extensions = body.optional(0xa0);
  body.end();
  return {
    der,
    fingerprint: createHash("sha256").update(der).digest("hex"),
    tbs: tbs.whole,
    signatureAlgorithm: signatureAlgorithm(algorithm),
    signature,
    issuerDer,
    thisUpdate,
    nextUpdate: nextUpdate === undefined ? undefined : timeValue(nextUpdate),
    revoked: entries === undefined ? new Set() : parseEntries(entries.content),
    extensions: extensions === undefined ? new Map() : parseExtensions(extensions.content),
  };
}

function parseEntries(bytes: Buffer): Set<string> {
  const revoked = new Set<string>();
  const list = new DerReader(bytes);
  while (!list.atEnd) {
    const entry = list.enter(TAG.sequence);
    revoked.add(integerBytes(entry.next(TAG.integer)).toString("hex"));
    timeValue(entry.next());
    // A critical entry extension could change whose certificate is meant (RFC 5280 §5.3.3).
    const extensions = entry.optional(TAG.sequence);
    entry.end();
    if (extensions === undefined) continue;
    for (const [oid, { critical }] of parseExtensions(extensions.whole))
      if (critical) throw new DerError(`critical entry extension ${oid} of the revocation list`);
  }
  return revoked;
}
