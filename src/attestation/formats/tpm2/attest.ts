/**
 * TPMS_ATTEST (TPM 2.0 Library Part 2, §10.12): what a TPM signs. Reading has no opinion beyond the form; magic,
 * type and content are judged by name elsewhere.
 */
import { type BankName, bankById } from "./algorithms.ts";
import { Tpm2Cursor, Tpm2FormatError } from "./cursor.ts";

/** TPM_GENERATED_VALUE: a restricted key signs nothing from outside that begins with these bytes. */
export const TPM_GENERATED = 0xff544347;
/** TPM_ST_ATTEST_QUOTE. */
export const ATTEST_QUOTE = 0x8018;

const MAX_NAME_BYTES = 66;
const MAX_EXTRA_DATA_BYTES = 64;
const MAX_DIGEST_BYTES = 64;
const MAX_SELECTIONS = 16;
const MAX_SELECT_BYTES = 4;

export interface ClockInfo {
  /** Milliseconds; goes back only when power was lost without an orderly shutdown. */
  readonly clock: bigint;
  /** Resets since manufacture; obfuscated per key outside the endorsement hierarchy, differences stay right. */
  readonly resetCount: number;
  /** Resumes since the last reset. */
  readonly restartCount: number;
  readonly safe: boolean;
}

/** One bank of a selection. */
export interface PcrSelection {
  readonly algorithm: number;
  /** `undefined`: a bank whose digest length nobody here knows. */
  readonly bank: BankName | undefined;
  /** Ascending. */
  readonly pcrs: readonly number[];
}

export interface Quote {
  readonly selections: readonly PcrSelection[];
  readonly pcrDigest: Buffer;
}

export interface Attest {
  readonly magic: number;
  readonly type: number;
  /** Qualified name of the signing key: a hash over its ancestors and itself, so not its name. */
  readonly qualifiedSigner: Buffer;
  /** 0 to 64 bytes, as the caller of TPM2_Quote gave them. */
  readonly extraData: Buffer;
  readonly clockInfo: ClockInfo;
  readonly firmwareVersion: bigint;
  /** `undefined` for other types; their bodies are not read. */
  readonly quote: Quote | undefined;
}

/**
 * Reads a TPMS_ATTEST that fills `message` exactly.
 *
 * @throws Tpm2FormatError
 */
export function readAttest(message: Buffer): Attest {
  const cursor = new Tpm2Cursor(message);
  const magic = cursor.u32("magic");
  const type = cursor.u16("type");
  const qualifiedSigner = cursor.sized(MAX_NAME_BYTES, "qualifiedSigner");
  const extraData = cursor.sized(MAX_EXTRA_DATA_BYTES, "extraData");
  const clockInfo = readClockInfo(cursor);
  const firmwareVersion = cursor.u64("firmwareVersion");
  const quote = type === ATTEST_QUOTE ? readQuote(cursor) : undefined;
  if (quote !== undefined) cursor.end("TPMS_ATTEST");
  return { magic, type, qualifiedSigner, extraData, clockInfo, firmwareVersion, quote };
}

function readClockInfo(cursor: Tpm2Cursor): ClockInfo {
  const clock = cursor.u64("clock");
  const resetCount = cursor.u32("resetCount");
  const restartCount = cursor.u32("restartCount");
  const safe = cursor.u8("safe");
  if (safe > 1) throw new Tpm2FormatError(`safe is ${safe}, neither 0 nor 1`);
  return { clock, resetCount, restartCount, safe: safe === 1 };
}

function readQuote(cursor: Tpm2Cursor): Quote {
  const count = cursor.u32("pcrSelect count");
  if (count > MAX_SELECTIONS) throw new Tpm2FormatError(`${count} PCR selections, at most ${MAX_SELECTIONS}`);
  const selections: PcrSelection[] = [];
  for (let i = 0; i < count; i++) selections.push(readSelection(cursor));
  return { selections, pcrDigest: cursor.sized(MAX_DIGEST_BYTES, "pcrDigest") };
}

/** PCR n is bit n & 7, lowest first, of byte n >> 3 (Part 2, §10.6.1). */
function readSelection(cursor: Tpm2Cursor): PcrSelection {
  const algorithm = cursor.u16("PCR bank");
  const size = cursor.u8("PCR bitmap size");
  if (size < 1 || size > MAX_SELECT_BYTES)
    throw new Tpm2FormatError(`a PCR bitmap of ${size} bytes, 1 to ${MAX_SELECT_BYTES} are possible`);
  const bitmap = cursor.bytes(size, "PCR bitmap");
  const pcrs: number[] = [];
  for (let pcr = 0; pcr < size * 8; pcr++)
    if ((bitmap.readUInt8(pcr >> 3) & (1 << (pcr & 7))) !== 0) pcrs.push(pcr);
  return { algorithm, bank: bankById(algorithm), pcrs };
}
