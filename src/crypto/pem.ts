import { asBuffer } from "./bytes.ts";

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;
const PEM_START = "-----BEGIN ";

export interface PemBlock {
  /** Say `CERTIFICATE` or `X509 CRL`. */
  readonly label: string;
  readonly der: Buffer;
}

/** Whether the bytes begin as PEM text does; DER begins with 0x30. */
export function looksLikePem(bytes: Uint8Array): boolean {
  return asBuffer(bytes).toString("latin1", 0, PEM_START.length) === PEM_START;
}

/** All blocks of a PEM text (RFC 7468), whatever its line ends; text around them is ignored. */
export function readPem(text: string): PemBlock[] {
  return Array.from(text.matchAll(BLOCK), ([, label = "", body = ""]) => ({
    label,
    der: Buffer.from(body, "base64"),
  }));
}

/** PEM text of one block. */
export function writePem(label: string, der: Uint8Array): string {
  const body = asBuffer(der)
    .toString("base64")
    .replaceAll(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

/** Text of a file with certificates: PEM as it stands, one certificate in DER as PEM. */
export function certificateText(bytes: Buffer): string {
  const isDer = bytes[0] === 0x30 && !looksLikePem(bytes);
  return isDer ? writePem("CERTIFICATE", bytes) : bytes.toString("latin1");
}
