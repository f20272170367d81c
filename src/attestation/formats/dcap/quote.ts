/**
 * DCAP quotes of versions 3, 4 and 5 (Intel DCAP quote library API, quote format): bytes → fields. Nothing is verified
 * here, but every length has to fit exactly. Bytes after the authentication data are common (padding) and covered by
 * no signature; they are counted and ignored.
 */
import { DcapFault } from "./checks.ts";
import type { DcapTee } from "./collateral.ts";
import {
  readSgxReport,
  readTdReport,
  SGX_REPORT_BYTES,
  type SgxReport,
  TD10_REPORT_BYTES,
  TD15_REPORT_BYTES,
  type TdReport,
} from "./reports.ts";

export const MAX_QUOTE_BYTES = 64 * 1024;
const QUOTE_HEADER_BYTES = 48;
const INTEL_QE_VENDOR = "939a7233f79c4ca9940a0db3957f0607";
const ECDSA_P256 = 2;
const TEE_SGX = 0;
const TEE_TDX = 0x81;
const CERTIFICATION_QE_REPORT = 6;

/** Certification data: how the quote names the certificate of the key that signed the quoting enclave's report. */
export interface CertificationData {
  /** 1 to 5: PPID in the clear, encrypted with RSA-2048 or RSA-3072, PCK leaf, PCK chain. */
  readonly type: 1 | 2 | 3 | 4 | 5;
  readonly data: Buffer;
}

interface AnyQuote {
  readonly version: 3 | 4 | 5;
  /** 48 bytes. */
  readonly header: Buffer;
  /** Version 5 only: type and size of the body, 6 bytes; signed like the rest. */
  readonly bodyDescriptor: Buffer | undefined;
  /** What the attestation key signed: header, descriptor and body. */
  readonly signed: Buffer;
  /** r and s. */
  readonly signature: Buffer;
  /** x and y. */
  readonly attestationKey: Buffer;
  /** 384 bytes, signed by the PCK key. */
  readonly qeReportBytes: Buffer;
  readonly qeReport: SgxReport;
  readonly qeReportSignature: Buffer;
  readonly qeAuthData: Buffer;
  readonly certification: CertificationData;
  readonly trailingBytes: number;
}

export interface TdQuote extends AnyQuote {
  readonly tee: "tdx";
  readonly report: TdReport;
}

export interface SgxQuote extends AnyQuote {
  readonly tee: "sgx";
  readonly report: SgxReport;
}

export type Quote = TdQuote | SgxQuote;

/** Fields of the 48-byte header, in wire order. What the words at 8 and 10 mean depends on the version. */
export function readQuoteHeader(header: Buffer) {
  return {
    version: header.subarray(0, 2),
    attestationKeyType: header.subarray(2, 4),
    teeType: header.subarray(4, 8),
    /** QE SVN and PCE SVN in version 3, reserved in later ones. */
    qeSvn: header.subarray(8, 10),
    pceSvn: header.subarray(10, 12),
    vendorId: header.subarray(12, 28),
    userData: header.subarray(28, 48),
  };
}

const WHITE_SPACE: readonly number[] = [0x09, 0x0a, 0x0d];

/** A quote begins with its version, a small number; JSON with white space or a printable character. */
export function isBareQuote(bytes: Uint8Array): boolean {
  const first = bytes[0];
  return first !== undefined && (first < 0x20 || first > 0x7e) && !WHITE_SPACE.includes(first);
}

/** @throws DcapFault `malformed` | `unsupported` | `vendor` */
export function readQuote(bytes: Buffer): Quote {
  if (bytes.length > MAX_QUOTE_BYTES) throw malformed(`a quote of more than ${MAX_QUOTE_BYTES} bytes`);
  const reader = new Cursor(bytes, "the quote");
  const header = reader.take(QUOTE_HEADER_BYTES, "the header");
  const { version, tee } = readKind(header);
  const { descriptor, size } = version === 5 ? readDescriptor(reader, tee) : describe(tee);
  const body = reader.take(size, "the body");
  const signed = bytes.subarray(0, reader.at);
  const authentication = new Cursor(reader.take(reader.u32("the length"), "the authentication data"), "it");
  const certified = readAuthentication(authentication, version);
  const vendor = header.toString("hex", 12, 28);
  if (vendor !== INTEL_QE_VENDOR) throw new DcapFault("vendor", vendor);
  // Written out: spreads of parts cost more than the reading itself.
  const quote = {
    version,
    header,
    bodyDescriptor: descriptor,
    signed,
    signature: certified.signature,
    attestationKey: certified.attestationKey,
    qeReportBytes: certified.qeReportBytes,
    qeReport: readSgxReport(certified.qeReportBytes),
    qeReportSignature: certified.qeReportSignature,
    qeAuthData: certified.qeAuthData,
    certification: certified.certification,
    trailingBytes: bytes.length - reader.at,
  };
  return tee === "tdx"
    ? Object.assign(quote, { tee, report: readTdReport(body) })
    : Object.assign(quote, { tee, report: readSgxReport(body) });
}

function readKind(header: Buffer): { version: 3 | 4 | 5; tee: DcapTee } {
  const version = header.readUInt16LE(0);
  if (version !== 3 && version !== 4 && version !== 5) throw unsupported(`quote version ${version}`);
  const keyType = header.readUInt16LE(2);
  if (keyType !== ECDSA_P256) throw unsupported(`attestation key type ${keyType}`);
  const teeType = header.readUInt32LE(4);
  if (teeType === TEE_SGX) return { version, tee: "sgx" };
  // In version 3 these bytes are reserved, and only SGX has that version.
  if (teeType === TEE_TDX && version !== 3) return { version, tee: "tdx" };
  throw unsupported(`TEE type 0x${teeType.toString(16)} in a quote of version ${version}`);
}

function describe(tee: DcapTee): { descriptor: undefined; size: number } {
  return { descriptor: undefined, size: tee === "tdx" ? TD10_REPORT_BYTES : SGX_REPORT_BYTES };
}

/** Body type → TEE and size (quote format, version 5). */
const BODY_TYPES: Readonly<Record<number, { readonly tee: DcapTee; readonly size: number }>> = {
  1: { tee: "sgx", size: SGX_REPORT_BYTES },
  2: { tee: "tdx", size: TD10_REPORT_BYTES },
  3: { tee: "tdx", size: TD15_REPORT_BYTES },
};

function readDescriptor(reader: Cursor, tee: DcapTee): { descriptor: Buffer; size: number } {
  const descriptor = reader.take(6, "type and size of the body");
  const type = descriptor.readUInt16LE(0);
  const known = BODY_TYPES[type];
  if (known === undefined) throw unsupported(`body type ${type}`);
  if (known.tee !== tee) throw malformed(`body type ${type} in a quote of another kind of TEE`);
  const size = descriptor.readUInt32LE(2);
  if (size !== known.size) throw malformed(`a body of ${size} bytes for body type ${type}`);
  return { descriptor, size };
}

function readAuthentication(reader: Cursor, version: 3 | 4 | 5) {
  const signature = reader.take(64, "the signature");
  const attestationKey = reader.take(64, "the attestation key");
  const certified = version === 3 ? reader : nested(reader);
  const qeReportBytes = certified.take(SGX_REPORT_BYTES, "the QE report");
  const qeReportSignature = certified.take(64, "the signature of the QE report");
  const qeAuthData = certified.take(certified.u16("a length"), "the QE authentication data");
  const certification = readCertification(certified);
  reader.end();
  return {
    signature,
    attestationKey,
    qeReportBytes,
    qeReportSignature,
    qeAuthData,
    certification,
  };
}

/** Versions 4 and 5 wrap what follows the attestation key once more. */
function nested(reader: Cursor): Cursor {
  const type = reader.u16("a certification type");
  const data = reader.take(reader.u32("a length"), "the certification data");
  if (type !== CERTIFICATION_QE_REPORT) throw unsupported(`outer certification data type ${type}`);
  return new Cursor(data, "the certification data");
}

function readCertification(reader: Cursor): CertificationData {
  const type = reader.u16("a certification type");
  const data = reader.take(reader.u32("a length"), "the certification data");
  reader.end();
  switch (type) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return { type, data };
    default:
      throw unsupported(`certification data type ${type}`);
  }
}

/** Takes pieces off the front; every length is compared to what is left before it is used. */
class Cursor {
  readonly #bytes: Buffer;
  readonly #what: string;
  at = 0;

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  take(length: number, part: string): Buffer {
    const left = this.#bytes.length - this.at;
    if (length > left) throw malformed(`${part} needs ${length} bytes and ${left} are left`);
    const piece = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return piece;
  }

  u16(part: string): number {
    return this.take(2, part).readUInt16LE(0);
  }

  u32(part: string): number {
    return this.take(4, part).readUInt32LE(0);
  }

  end(): void {
    const left = this.#bytes.length - this.at;
    if (left !== 0) throw malformed(`${left} bytes are left at the end of ${this.#what}`);
  }
}

function malformed(seen: string): DcapFault {
  return new DcapFault("malformed", seen);
}

function unsupported(seen: string): DcapFault {
  return new DcapFault("unsupported", seen);
}
