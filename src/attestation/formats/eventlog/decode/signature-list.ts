/** Secure Boot databases: EFI_SIGNATURE_LIST (UEFI 2.10 §32.4.1). */
import { X509Certificate } from "node:crypto";
import { digestHex } from "../../../../crypto/digest.ts";
import { LogCursor } from "../cursor.ts";
import { EventLogError } from "../event-log.ts";
import { guidText } from "./efi.ts";

const X509_LIST = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";
const SHA256_LIST = "c1c41626-504c-4092-aca9-41f936934328";
const GUID_BYTES = 16;
const LIST_HEADER_BYTES = 28;
const MOST_ENTRIES = 100_000;

export interface SignatureEntry {
  readonly kind: "x509" | "sha256" | "other";
  /** GUID of whoever put the entry there. */
  readonly owner: string;
  readonly data: Buffer;
}

/** @returns undefined for data that is no sequence of signature lists */
export function readSignatureLists(bytes: Buffer): SignatureEntry[] | undefined {
  try {
    const cursor = new LogCursor(bytes);
    const entries: SignatureEntry[] = [];
    while (cursor.left > 0) readList(cursor, entries);
    return entries;
  } catch (error) {
    if (error instanceof EventLogError) return undefined;
    throw error;
  }
}

function readList(cursor: LogCursor, entries: SignatureEntry[]): void {
  const type = guidText(cursor.take(GUID_BYTES, "a signature type"));
  const [listSize, headerSize, size] = [cursor.u32("a size"), cursor.u32("a size"), cursor.u32("a size")];
  if (listSize < LIST_HEADER_BYTES) throw cursor.fault("a signature list that is too short");
  const body = new LogCursor(cursor.take(listSize - LIST_HEADER_BYTES, "a signature list"));
  body.skip(headerSize, "a list's header");
  if (size <= GUID_BYTES || body.left % size !== 0) throw cursor.fault("a signature list of uneven entries");
  const kind = type === X509_LIST ? "x509" : type === SHA256_LIST ? "sha256" : "other";
  while (body.left > 0) {
    if (entries.length >= MOST_ENTRIES) throw cursor.fault("too many signatures");
    const entry = body.take(size, "a signature");
    entries.push({ kind, owner: guidText(entry.subarray(0, GUID_BYTES)), data: entry.subarray(GUID_BYTES) });
  }
}

/** A certificate as claims and people see it. */
export interface DescribedCertificate {
  /** SHA-256 of the DER. */
  readonly sha256: string;
  readonly subject: string;
  readonly issuer: string;
  /** As the certificate says, in OpenSSL's words. */
  readonly notAfter: string;
}

/** @returns undefined for bytes that are no certificate */
export function describeCertificate(der: Buffer): DescribedCertificate | undefined {
  try {
    const certificate = new X509Certificate(der);
    const oneLine = (name: string) => name.replaceAll("\n", ", ");
    return {
      sha256: digestHex("sha256", der),
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      notAfter: certificate.validTo,
    };
  } catch {
    return undefined;
  }
}

/** The certificate that an authority event names: behind an owner's GUID, or, from older shim, alone. */
export function authorityCertificate(data: Buffer): DescribedCertificate | undefined {
  return describeCertificate(data.subarray(GUID_BYTES)) ?? describeCertificate(data);
}
