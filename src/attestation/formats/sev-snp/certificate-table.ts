import { DerError } from "../../../crypto/der.ts";

/** A certificate as it came with evidence; nothing about it is trusted, the label least of all. */
export interface LabelledCertificate {
  readonly label: "ARK" | "ASK" | "VCEK" | "VLEK" | "CRL" | "other";
  /** DER or PEM. */
  readonly data: Buffer;
}

export const MAX_CERTIFICATES = 16;
export const MAX_CERTIFICATE_BYTES = 16 * 1024;
const ENTRY_BYTES = 24;

/** GUIDs of the entries (GHCB 56421 §SNP Extended Guest Request; textual byte order). */
const LABELS: Readonly<Record<string, LabelledCertificate["label"]>> = {
  c0b406a4a803495297433fb6014cd0ae: "ARK",
  "4ab7b379bbac4fe4a02f05aef327c782": "ASK",
  "63da758de6644564adc5f4b93be8accd": "VCEK",
  a8074bc2a25a483eaae639c045a0b8a1: "VLEK",
  "92f81bc358114d3d97ffd19f88dc67ea": "CRL",
};

/**
 * Reads the certificate table that the kernel hands out next to a report (configfs-tsm `auxblob`): entries of
 * GUID, u32 offset, u32 length, ended by 24 zero bytes. No bytes at all are an empty table.
 *
 * @throws DerError when an entry lies outside the table or on the directory, is empty, or the end is missing
 */
export function readCertificateTable(table: Buffer): LabelledCertificate[] {
  const entries: LabelledCertificate[] = [];
  if (table.length === 0) return entries;
  for (let at = 0; ; at += ENTRY_BYTES) {
    if (at + ENTRY_BYTES > table.length) throw new DerError("the certificate table has no terminating entry");
    const guid = table.toString("hex", at, at + 16);
    const offset = table.readUInt32LE(at + 16);
    const length = table.readUInt32LE(at + 20);
    if (/^0+$/.test(guid) && offset === 0 && length === 0) break;
    if (entries.length === MAX_CERTIFICATES)
      throw new DerError("more than 16 entries in the certificate table");
    // Sums of two u32 are exact in a double; they cannot wrap here as they do in 32 bits.
    if (length === 0 || length > MAX_CERTIFICATE_BYTES || offset + length > table.length)
      throw new DerError("an entry of the certificate table lies outside it, or has a bad length");
    entries.push({ label: LABELS[guid] ?? "other", data: table.subarray(offset, offset + length) });
  }
  const directory = ENTRY_BYTES * (entries.length + 1);
  for (let i = 0, at = 16; i < entries.length; i++, at += ENTRY_BYTES)
    if (table.readUInt32LE(at) < directory)
      throw new DerError("an entry of the certificate table overlaps the directory");
  return entries;
}
