/** Revocation lists of the root and the two PCK authorities (Intel SGX PCK certificate and CRL specification 1.5 §2). */
import type { Certificate } from "../../../crypto/certificate.ts";
import { parseRevocationList, type RevocationList } from "../../../crypto/crl.ts";
import { DerError, integerBytes, readDer, TAG } from "../../../crypto/der.ts";
import { looksLikePem, readPem } from "../../../crypto/pem.ts";
import { isoTime, isSignedBy } from "./certificates.ts";
import { DcapFault } from "./checks.ts";

export interface NumberedList extends RevocationList {
  /** CRL number (RFC 5280 §5.2.3). */
  readonly number: bigint;
  /** Serial numbers in hexadecimal without leading zeros. */
  readonly serials: ReadonlySet<string>;
}

const CRL_NUMBER = "2.5.29.20";
const HEX = /^\s*[0-9a-fA-F]+\s*$/;
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/**
 * Reads a list in DER, PEM or hexadecimal text: services and caches give all three.
 *
 * @throws DcapFault `crl-format`
 */
export function readList(bytes: Buffer): NumberedList {
  try {
    const list = parseRevocationList(derOf(bytes));
    const serials = new Set([...list.revoked].map(withoutLeadingZeros));
    return { ...list, number: numberOf(list), serials };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new DcapFault("crl-format", `no revocation list: ${error.message}`, error);
  }
}

function derOf(bytes: Buffer): Buffer {
  if (bytes.length > MAX_TEXT_BYTES) throw new DerError("too long");
  if (looksLikePem(bytes)) {
    const blocks = readPem(bytes.toString("latin1")).filter(({ label }) => label === "X509 CRL");
    if (blocks[0] === undefined || blocks.length > 1) throw new DerError("PEM text with other than one list");
    return blocks[0].der;
  }
  // DER of a list begins with 0x30 0x82; the text of it with the same digits, both of which print.
  const text = bytes.toString("latin1");
  return HEX.test(text) ? Buffer.from(text.trim(), "hex") : bytes;
}

function numberOf(list: RevocationList): bigint {
  const extension = list.extensions.get(CRL_NUMBER);
  if (extension === undefined) throw new DerError("a list without a number");
  for (const [oid, { critical }] of list.extensions)
    if (critical) throw new DerError(`the unknown critical extension ${oid}`);
  if (list.nextUpdate === undefined) throw new DerError("a list without nextUpdate");
  const bytes = integerBytes(readDer(extension.value, TAG.integer));
  if (bytes.length > 20 || (bytes[0] ?? 0) >= 0x80) throw new DerError("a list number out of range");
  return BigInt(`0x${bytes.toString("hex")}`);
}

/** @throws DcapFault `crl-issuer` | `crl-signature` */
export function checkListIssuer(list: NumberedList, issuer: Certificate): void {
  if (!list.issuerDer.equals(issuer.subjectDer))
    throw new DcapFault("crl-issuer", "a revocation list of another authority");
  if (!isSignedBy(list, issuer))
    throw new DcapFault("crl-signature", "a revocation list that its authority did not sign");
}

/**
 * @param graceMilliseconds - how long after nextUpdate a list still counts
 * @returns undefined when the list counts at `at`
 */
export function listTimeFault(list: NumberedList, at: number, graceMilliseconds: number): string | undefined {
  const { thisUpdate, nextUpdate } = list;
  // Written so that a clock that gives no number refuses.
  if (!(thisUpdate <= at)) return `a revocation list from the future (${isoTime(thisUpdate)})`;
  if (nextUpdate !== undefined && at <= nextUpdate + graceMilliseconds) return undefined;
  return `a revocation list that expired at ${isoTime(nextUpdate ?? Number.NaN)}`;
}

/** Whole numbers are compared: a DER INTEGER may have a zero byte in front, or not if somebody wrote it wrongly. */
export function isOnList(list: NumberedList, { serial }: Certificate): boolean {
  return list.serials.has(withoutLeadingZeros(serial.toString("hex")));
}

function withoutLeadingZeros(hex: string): string {
  return hex.replace(/^0+/, "");
}
