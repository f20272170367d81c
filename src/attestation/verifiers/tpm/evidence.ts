/**
 * Evidence of a TPM. Confidential Containers guests send a quote over all 24 registers of the SHA-256 bank with a bare
 * list of values; guests that quote other banks or fewer registers name each value's bank and register. Members beyond
 * that are optional and only make the judgement stricter or the claims richer.
 */
import { fromBase64, fromHex } from "../../../crypto/bytes.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { BANKS, bankByName } from "../../formats/tpm2/algorithms.ts";
import { Tpm2FormatError } from "../../formats/tpm2/cursor.ts";
import { readKeylimeQuote } from "../../formats/tpm2/keylime-quote.ts";
import type { PcrValues } from "../../formats/tpm2/pcrs.ts";

export interface TpmEvidence {
  /** TPMS_ATTEST. */
  readonly message: Buffer;
  /** TPMT_SIGNATURE. */
  readonly signature: Buffer;
  /** `list`: values by place, which mean something for one selection only. */
  readonly pcrs:
    | { readonly form: "list"; readonly values: readonly Buffer[] }
    | { readonly form: "banks"; readonly values: PcrValues };
  /** DER SubjectPublicKeyInfo. */
  readonly akPublic: Buffer | undefined;
  /** TPM2B_PUBLIC or TPMT_PUBLIC. */
  readonly akPublicArea: Buffer | undefined;
  /** DER, the key's own first. */
  readonly akCertificates: readonly Buffer[];
  readonly ekCertificates: readonly Buffer[];
  readonly eventLog: Buffer | undefined;
  /** The kernel's list, binary or text. */
  readonly imaLog: Buffer | undefined;
}

/** What is wrong with evidence, in one sentence part. */
export class TpmEvidenceError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "TpmEvidenceError";
  }
}

const MAX_MESSAGE_BYTES = 4096;
const MAX_SIGNATURE_BYTES = 1024;
const MAX_KEY_BYTES = 1024;
const MAX_CERTIFICATES = 8;
const MAX_CERTIFICATE_BYTES = 16 * 1024;
const MAX_PCRS = 32;
const PCR_BYTES = 32;

/** Longest logs, in bytes. */
export interface TpmEvidenceLimits {
  readonly maxEventLogBytes: number;
  readonly maxImaLogBytes: number;
}

/** @throws TpmEvidenceError */
export function readTpmEvidence(evidence: JsonValue, limits: TpmEvidenceLimits): TpmEvidence {
  if (!isObject(evidence)) throw new TpmEvidenceError("not a JSON object");
  const { message, signature, pcrs } = readQuote(evidence);
  return {
    message,
    signature,
    pcrs,
    akPublic:
      bytesOf(evidence, "ak_public", MAX_KEY_BYTES) ?? bytesOf(evidence, "ak_public_spki", MAX_KEY_BYTES),
    akPublicArea: bytesOf(evidence, "ak_tpm2b_public", MAX_KEY_BYTES),
    akCertificates: certificatesOf(evidence, "ak_cert"),
    ekCertificates: certificatesOf(evidence, "ek_cert"),
    eventLog: bytesOf(evidence, "event_log", limits.maxEventLogBytes),
    imaLog: bytesOf(evidence, "ima_log", limits.maxImaLogBytes),
  };
}

type QuoteParts = Pick<TpmEvidence, "message" | "signature" | "pcrs">;

/** The quote stands below `tpm_quote`, or its members stand in the evidence itself. */
function readQuote(evidence: JsonObject): QuoteParts {
  const nested = member(evidence, "tpm_quote");
  if (typeof nested === "string") return keylimeQuote(nested);
  if (nested !== undefined && !isObject(nested))
    throw new TpmEvidenceError("tpm_quote: an object is required");
  const quote = nested ?? evidence;
  return {
    message: required(bytesOf(quote, "message", MAX_MESSAGE_BYTES), "message"),
    signature: required(bytesOf(quote, "signature", MAX_SIGNATURE_BYTES), "signature"),
    pcrs: readPcrs(member(quote, "pcrs")),
  };
}

function keylimeQuote(text: string): QuoteParts {
  try {
    const { message, signature, pcrs } = readKeylimeQuote(text);
    return { message, signature, pcrs: { form: "banks", values: pcrs } };
  } catch (error) {
    if (error instanceof Tpm2FormatError) throw new TpmEvidenceError(`tpm_quote: ${error.message}`);
    throw error;
  }
}

function required(bytes: Buffer | undefined, name: string): Buffer {
  if (bytes === undefined) throw new TpmEvidenceError(`${name} is missing`);
  return bytes;
}

function bytesOf(object: JsonObject, name: string, maxBytes: number): Buffer | undefined {
  const text = member(object, name) ?? undefined;
  return text === undefined ? undefined : base64(text, name, maxBytes);
}

function base64(text: JsonValue, name: string, maxBytes: number): Buffer {
  // Four characters for three bytes; a text that is longer need not be decoded to be refused.
  const short = typeof text === "string" && text.length <= Math.ceil(maxBytes / 3) * 4;
  const bytes = short ? fromBase64(text) : undefined;
  if (bytes === undefined || bytes.length > maxBytes)
    throw new TpmEvidenceError(`${name}: standard base64 of at most ${maxBytes} bytes is required`);
  return bytes;
}

function certificatesOf(evidence: JsonObject, name: string): readonly Buffer[] {
  const value = member(evidence, name) ?? undefined;
  if (value === undefined) return [];
  const list = isArray(value) ? value : [value];
  if (list.length === 0 || list.length > MAX_CERTIFICATES)
    throw new TpmEvidenceError(`${name}: 1 to ${MAX_CERTIFICATES} certificates are possible`);
  return list.map((entry, i) => base64(entry, `${name}[${i}]`, MAX_CERTIFICATE_BYTES));
}

function readPcrs(pcrs: JsonValue | undefined): TpmEvidence["pcrs"] {
  if (isArray(pcrs)) return { form: "list", values: readList(pcrs) };
  if (isObject(pcrs)) return { form: "banks", values: readBanks(pcrs) };
  throw new TpmEvidenceError("pcrs: a list of values, or values by bank and register, are required");
}

/** Decoded in one go: this is what every guest sends. */
function readList(values: readonly JsonValue[]): Buffer[] {
  if (values.length > MAX_PCRS) throw new TpmEvidenceError(`pcrs: ${values.length} values`);
  const odd = values.findIndex((value) => typeof value !== "string" || value.length !== PCR_BYTES * 2);
  const all = odd === -1 ? fromHex(values.join("")) : undefined;
  if (all === undefined)
    throw new TpmEvidenceError(
      `pcrs${odd === -1 ? "" : `[${odd}]`}: ${PCR_BYTES * 2} hexadecimal digits are required`,
    );
  return values.map((_, i) => all.subarray(i * PCR_BYTES, (i + 1) * PCR_BYTES));
}

function readBanks(banks: JsonObject): PcrValues {
  const values = new Map<keyof typeof BANKS, ReadonlyMap<number, Buffer>>();
  for (const [name, registers] of Object.entries(banks)) {
    const bank = bankByName(name);
    if (bank === undefined || !isObject(registers))
      throw new TpmEvidenceError(`pcrs: ${name.slice(0, 20)} is no bank with values`);
    values.set(bank, readBank(registers, BANKS[bank].bytes, name));
  }
  return values;
}

function readBank(registers: JsonObject, bytes: number, bank: string): Map<number, Buffer> {
  const values = new Map<number, Buffer>();
  for (const [name, value] of Object.entries(registers)) {
    if (!/^(?:0|[1-9]\d?)$/.test(name) || Number(name) >= MAX_PCRS)
      throw new TpmEvidenceError(`pcrs.${bank}: ${name.slice(0, 20)} is no register`);
    values.set(Number(name), pcrValue(value, bytes, `pcrs.${bank}.${name}`));
  }
  return values;
}

function pcrValue(value: JsonValue, bytes: number, path: string): Buffer {
  const digest = typeof value === "string" && value.length === bytes * 2 ? fromHex(value) : undefined;
  if (digest === undefined)
    throw new TpmEvidenceError(`${path}: ${bytes * 2} hexadecimal digits are required`);
  return digest;
}
