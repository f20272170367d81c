/** DCAP quotes as a quoting enclave makes them. For development and tests. */
import { createHash, type KeyObject, sign } from "node:crypto";
import type { DcapTee } from "../attestation/formats/dcap/collateral.ts";
import {
  SGX_REPORT_BYTES,
  SGX_REPORT_FIELDS,
  TD_REPORT_FIELDS,
  TD10_REPORT_BYTES,
  TD15_REPORT_BYTES,
  TD15_REPORT_FIELDS,
} from "../attestation/formats/dcap/reports.ts";

const INTEL_QE_VENDOR = Buffer.from("939a7233f79c4ca9940a0db3957f0607", "hex");

/** Fields by name; those that are left out are zero. */
export type SgxFields = Readonly<Partial<Record<keyof typeof SGX_REPORT_FIELDS, Uint8Array>>>;
export type TdFields = Readonly<
  Partial<Record<keyof typeof TD_REPORT_FIELDS | keyof typeof TD15_REPORT_FIELDS, Uint8Array>>
>;

export function buildSgxReport(fields: SgxFields): Buffer {
  return fill(Buffer.alloc(SGX_REPORT_BYTES), SGX_REPORT_FIELDS, fields);
}

/** @param version - of the report: 1.0 or 1.5 */
export function buildTdReport(fields: TdFields, version: "1.0" | "1.5"): Buffer {
  const size = version === "1.5" ? TD15_REPORT_BYTES : TD10_REPORT_BYTES;
  const body = fill(Buffer.alloc(size), TD_REPORT_FIELDS, fields);
  return version === "1.5" ? fill(body, TD15_REPORT_FIELDS, fields) : body;
}

function fill(
  body: Buffer,
  fields: Readonly<Record<string, readonly [number, number]>>,
  values: Readonly<Record<string, Uint8Array | undefined>>,
): Buffer {
  for (const [name, [at, size]] of Object.entries(fields)) {
    const value = values[name];
    if (value !== undefined) body.set(value.subarray(0, size), at);
  }
  return body;
}

export interface QuoteSpec {
  readonly version: 3 | 4 | 5;
  readonly tee: DcapTee;
  readonly report: Buffer;
  readonly qe: SgxFields;
  readonly qeAuthData: Buffer;
  /** EC private keys on P-256. */
  readonly attestationKey: KeyObject;
  readonly pckKey: KeyObject;
  readonly certification: { readonly type: number; readonly data: Buffer };
  readonly trailing?: Buffer;
  /** Changes the QE report after its binding was filled in and before it is signed. */
  readonly beforeQeSigning?: ((qeReport: Buffer) => void) | undefined;
  /** Changes header, descriptor and body before they are signed. */
  readonly beforeSigning?: ((signed: Buffer) => void) | undefined;
}

/** A quote with all of its signatures. */
export function buildQuote(spec: QuoteSpec): Buffer {
  const point = publicPoint(spec.attestationKey);
  const binding = createHash("sha256").update(point).update(spec.qeAuthData).digest();
  const qeReport = buildSgxReport({ reportData: Buffer.concat([binding, Buffer.alloc(32)]), ...spec.qe });
  spec.beforeQeSigning?.(qeReport);
  const signed = Buffer.concat([header(spec), descriptor(spec), spec.report]);
  spec.beforeSigning?.(signed);
  const certified = Buffer.concat([
    qeReport,
    p1363(spec.pckKey, qeReport),
    u16(spec.qeAuthData.length),
    spec.qeAuthData,
    u16(spec.certification.type),
    u32(spec.certification.data.length),
    spec.certification.data,
  ]);
  const wrapped = spec.version === 3 ? certified : Buffer.concat([u16(6), u32(certified.length), certified]);
  const authentication = Buffer.concat([p1363(spec.attestationKey, signed), point, wrapped]);
  return Buffer.concat([
    signed,
    u32(authentication.length),
    authentication,
    spec.trailing ?? Buffer.alloc(0),
  ]);
}

function header({ version, tee }: QuoteSpec): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt16LE(version, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(tee === "tdx" ? 0x81 : 0, 4);
  INTEL_QE_VENDOR.copy(bytes, 12);
  bytes.fill(0x51, 28, 44);
  return bytes;
}

function descriptor({ version, tee, report }: QuoteSpec): Buffer {
  if (version !== 5) return Buffer.alloc(0);
  const tdType = report.length === TD15_REPORT_BYTES ? 3 : 2;
  return Buffer.concat([u16(tee === "tdx" ? tdType : 1), u32(report.length)]);
}

/** x and y of an EC key on P-256. */
function publicPoint(key: KeyObject): Buffer {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
}

/** r and s of ECDSA with SHA-256. */
export function p1363(key: KeyObject, data: Uint8Array): Buffer {
  return sign("sha256", data, { key, dsaEncoding: "ieee-p1363" });
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
