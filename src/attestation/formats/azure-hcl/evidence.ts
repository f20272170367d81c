/**
 * Evidence of confidential VMs on Azure, in all forms that guests have sent: version 0 (no `version` member) has arrays
 * of bytes, later ones hexadecimal and URL-safe base64. The version alone decides which form is read.
 */
import { fromBase64Url, fromHex } from "../../../crypto/bytes.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { MAX_HCL_BYTES } from "./hcl-report.ts";

/** What is wrong with evidence, in one sentence part. */
export class AzureEvidenceError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "AzureEvidenceError";
  }
}

export interface VtpmQuote {
  /** TPMS_ATTEST. */
  readonly message: Buffer;
  /** The bare RSA value, no TPMT_SIGNATURE. */
  readonly signature: Buffer;
  /** 24 values of 32 bytes, PCR 0 first. */
  readonly pcrs: readonly Buffer[];
}

interface Common {
  readonly version: 0 | 1 | 2;
  readonly quote: VtpmQuote;
  readonly hclReport: Buffer;
}
export interface AzureSnpEvidence extends Common {
  /** Version 0: PEM text, whatever it holds; later: DER. */
  readonly vcek: Buffer;
}
export interface AzureTdxEvidence extends Common {
  readonly tdQuote: Buffer;
}

const PCRS = 24;
const PCR_BYTES = 32;
const MAX_MESSAGE_BYTES = 1024;
const MAX_SIGNATURE_BYTES = 512;
const MAX_VCEK_BYTES = 32 * 1024;
const MAX_TD_QUOTE_BYTES = 64 * 1024;

/** @throws AzureEvidenceError */
export function readAzureSnpEvidence(json: JsonValue): AzureSnpEvidence {
  const evidence = objectOf(json);
  const version = versionOf(evidence);
  if (version === 0)
    return {
      version,
      quote: readQuote(evidence, "quote", byteArray),
      hclReport: byteArray(member(evidence, "report"), "report", MAX_HCL_BYTES),
      vcek: Buffer.from(text(evidence, "vcek", MAX_VCEK_BYTES), "latin1"),
    };
  return {
    version,
    quote: readQuote(evidence, "tpm_quote", hex),
    hclReport: base64Url(member(evidence, "hcl_report"), "hcl_report", MAX_HCL_BYTES),
    vcek: base64Url(member(evidence, "vcek"), "vcek", MAX_VCEK_BYTES),
  };
}

/** @throws AzureEvidenceError */
export function readAzureTdxEvidence(json: JsonValue): AzureTdxEvidence {
  const evidence = objectOf(json);
  const version = versionOf(evidence);
  const [inner, outer] = version === 0 ? [byteArray, byteArray] : [hex, base64Url];
  return {
    version,
    quote: readQuote(evidence, "tpm_quote", inner),
    hclReport: outer(member(evidence, "hcl_report"), "hcl_report", MAX_HCL_BYTES),
    tdQuote: outer(member(evidence, "td_quote"), "td_quote", MAX_TD_QUOTE_BYTES),
  };
}

function objectOf(json: JsonValue): JsonObject {
  if (!isObject(json)) throw new AzureEvidenceError("not a JSON object");
  return json;
}

function versionOf(evidence: JsonObject): 0 | 1 | 2 {
  const version = member(evidence, "version");
  if (version === undefined) return 0;
  if (version === 1 || version === 2) return version;
  throw new AzureEvidenceError("version: 1 or 2 is required, or none at all");
}

type Decode = (value: JsonValue | undefined, name: string, maxBytes: number) => Buffer;

function readQuote(evidence: JsonObject, name: string, decode: Decode): VtpmQuote {
  const quote = member(evidence, name);
  if (!isObject(quote)) throw new AzureEvidenceError(`${name}: an object is required`);
  const pcrs = member(quote, "pcrs");
  if (!isArray(pcrs) || pcrs.length !== PCRS)
    throw new AzureEvidenceError(`${name}.pcrs: a list of ${PCRS} values is required`);
  return {
    message: decode(member(quote, "message"), `${name}.message`, MAX_MESSAGE_BYTES),
    signature: decode(member(quote, "signature"), `${name}.signature`, MAX_SIGNATURE_BYTES),
    pcrs: pcrs.map((pcr, i) => pcrValue(decode(pcr, `${name}.pcrs[${i}]`, PCR_BYTES), `${name}.pcrs[${i}]`)),
  };
}

function pcrValue(bytes: Buffer, name: string): Buffer {
  if (bytes.length !== PCR_BYTES)
    throw new AzureEvidenceError(`${name}: ${bytes.length} bytes, not ${PCR_BYTES}`);
  return bytes;
}

function byteArray(value: JsonValue | undefined, name: string, maxBytes: number): Buffer {
  if (!isArray(value) || value.length > maxBytes || !value.every(isByte))
    throw new AzureEvidenceError(`${name}: a list of at most ${maxBytes} bytes is required`);
  return Buffer.from(value);
}

function isByte(value: JsonValue): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

function hex(value: JsonValue | undefined, name: string, maxBytes: number): Buffer {
  const short = typeof value === "string" && value.length <= maxBytes * 2;
  const bytes = short ? fromHex(value) : undefined;
  if (bytes === undefined)
    throw new AzureEvidenceError(`${name}: hexadecimal of at most ${maxBytes} bytes is required`);
  return bytes;
}

function base64Url(value: JsonValue | undefined, name: string, maxBytes: number): Buffer {
  // Four characters for three bytes; a text that is longer need not be decoded to be refused.
  const short = typeof value === "string" && value.length <= Math.ceil(maxBytes / 3) * 4;
  const bytes = short ? fromBase64Url(value) : undefined;
  if (bytes === undefined || bytes.length > maxBytes)
    throw new AzureEvidenceError(`${name}: URL-safe base64 of at most ${maxBytes} bytes is required`);
  return bytes;
}

function text(evidence: JsonObject, name: string, maxCharacters: number): string {
  const value = member(evidence, name);
  if (typeof value !== "string" || value.length > maxCharacters)
    throw new AzureEvidenceError(`${name}: a text of at most ${maxCharacters} characters is required`);
  return value;
}
