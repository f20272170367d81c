/**
 * A quote as Keylime's agents write it: `r`, then TPMS_ATTEST, TPMT_SIGNATURE and the PCR dump of tpm2-tools, each in
 * base64 and joined by colons.
 */
import { fromBase64 } from "../../../crypto/bytes.ts";
import { BANKS, type BankName, bankById } from "./algorithms.ts";
import { Tpm2FormatError } from "./cursor.ts";
import type { PcrValues } from "./pcrs.ts";

export interface KeylimeQuote {
  readonly message: Buffer;
  readonly signature: Buffer;
  readonly pcrs: PcrValues;
}

const MAX_QUOTE_CHARACTERS = 32 * 1024;

/** @throws Tpm2FormatError */
export function readKeylimeQuote(text: string): KeylimeQuote {
  if (text.length > MAX_QUOTE_CHARACTERS || !text.startsWith("r"))
    throw new Tpm2FormatError("a quote string of Keylime begins with r");
  const parts = text.slice(1).split(":").map(fromBase64);
  const [message, signature, dump] = parts;
  if (parts.length !== 3 || message === undefined || signature === undefined || dump === undefined)
    throw new Tpm2FormatError("a quote string of Keylime has three parts in base64");
  return { message, signature, pcrs: readPcrDump(dump) };
}

const SELECTIONS = 16;
const SELECTION_BYTES = 8;
const HEAD_BYTES = 4 + SELECTIONS * SELECTION_BYTES;
const LIST_DIGESTS = 8;
const DIGEST_BYTES = 2 + 64;
const LIST_BYTES = 4 + LIST_DIGESTS * DIGEST_BYTES;

/**
 * The memory image that tpm2_quote writes with `-F serialized`, little-endian: TPML_PCR_SELECTION, a count, and that
 * many TPML_DIGEST of eight digests each. Its selection is a claim like its values; the signed one decides.
 *
 * @throws Tpm2FormatError when a count or length does not fit, or values are missing or left over
 */
export function readPcrDump(dump: Buffer): PcrValues {
  if (dump.length < HEAD_BYTES + 4) throw new Tpm2FormatError("a PCR dump that ends too early");
  const lists = dump.readUInt32LE(HEAD_BYTES);
  if (lists > 32 || dump.length !== HEAD_BYTES + 4 + lists * LIST_BYTES)
    throw new Tpm2FormatError(`a PCR dump of ${dump.length} bytes with ${lists} lists`);
  const digests = Array.from({ length: lists }, (_, i) =>
    readDigests(dump.subarray(HEAD_BYTES + 4 + i * LIST_BYTES)),
  ).flat();
  const values = new Map<BankName, Map<number, Buffer>>();
  for (const { bank, pcrs } of readSelections(dump)) {
    const registers = values.get(bank) ?? new Map<number, Buffer>();
    for (const pcr of pcrs) registers.set(pcr, takeDigest(digests, bank));
    values.set(bank, registers);
  }
  if (digests.length > 0) throw new Tpm2FormatError("a PCR dump with more values than it selects");
  return values;
}

function takeDigest(digests: Buffer[], bank: BankName): Buffer {
  const digest = digests.shift();
  if (digest?.length !== BANKS[bank].bytes)
    throw new Tpm2FormatError("a PCR dump without a value of the right length for each selected register");
  return digest;
}

function readSelections(dump: Buffer) {
  const count = dump.readUInt32LE(0);
  if (count > SELECTIONS) throw new Tpm2FormatError(`a PCR dump with ${count} selections`);
  return Array.from({ length: count }, (_, i) => {
    const at = 4 + i * SELECTION_BYTES;
    const bank = bankById(dump.readUInt16LE(at));
    const size = dump.readUInt8(at + 2);
    if (bank === undefined || size > 4)
      throw new Tpm2FormatError("a PCR dump with an unknown bank or bitmap");
    const pcrs = Array.from({ length: size * 8 }, (_, pcr) => pcr);
    return {
      bank,
      pcrs: pcrs.filter((pcr) => (dump.readUInt8(at + 3 + (pcr >> 3)) & (1 << (pcr & 7))) !== 0),
    };
  });
}

function readDigests(list: Buffer): Buffer[] {
  const count = list.readUInt32LE(0);
  if (count > LIST_DIGESTS) throw new Tpm2FormatError(`a list of ${count} digests in a PCR dump`);
  return Array.from({ length: count }, (_, i) => {
    const at = 4 + i * DIGEST_BYTES;
    const size = list.readUInt16LE(at);
    if (size > DIGEST_BYTES - 2) throw new Tpm2FormatError(`a digest of ${size} bytes in a PCR dump`);
    return list.subarray(at + 2, at + 2 + size);
  });
}
