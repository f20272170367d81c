/**
 * PCR values against a signed selection. Register numbers come from what the TPM signed and from nowhere else:
 * values that the guest sends are only candidates until the digest over them is the signed one.
 */
import { createHash } from "node:crypto";
import { equalBytes } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import { BANKS, type BankName, type HashName } from "./algorithms.ts";
import type { PcrSelection, Quote } from "./attest.ts";

/** Values by bank and register. */
export type PcrValues = ReadonlyMap<BankName, ReadonlyMap<number, Buffer>>;

/** The selection as people write it, say `sha256:0,1,7`. */
export function selectionText(selections: readonly PcrSelection[]): string {
  if (selections.length === 0) return "nothing";
  return selections
    .map(({ bank, algorithm, pcrs }) => `${bank ?? `0x${algorithm.toString(16)}`}:${rangesText(pcrs)}`)
    .join("+");
}

function rangesText(pcrs: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const pcr of pcrs) {
    const open = ranges.at(-1);
    if (open !== undefined && open[1] === pcr - 1) open[1] = pcr;
    else ranges.push([pcr, pcr]);
  }
  const text = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  return text.length === 0 ? "none" : text.join(",");
}

/**
 * What is wrong with values for a selection: each selected register needs one, of its bank's length, and no value may
 * be there that was not selected.
 *
 * @returns undefined when all is well
 */
export function valuesFault(selections: readonly PcrSelection[], values: PcrValues): string | undefined {
  let selected = 0;
  const banks = new Set(selections.map(({ algorithm }) => algorithm));
  if (banks.size !== selections.length) return "a quote that selects one bank twice";
  for (const { bank, algorithm, pcrs } of selections) {
    if (bank === undefined) return `a bank with the unknown algorithm 0x${algorithm.toString(16)}`;
    for (const pcr of pcrs) {
      const value = values.get(bank)?.get(pcr);
      if (value === undefined) return `no value for the selected PCR ${pcr} of bank ${bank}`;
      if (value.length !== BANKS[bank].bytes) return `${value.length} bytes for PCR ${pcr} of bank ${bank}`;
      selected++;
    }
  }
  if (selected === 0) return "a quote over no PCR at all";
  const sent = [...values.values()].reduce((sum, bank) => sum + bank.size, 0);
  return sent === selected ? undefined : `${sent} values for ${selected} selected PCRs`;
}

/**
 * Digest over the values in the order of the selection, registers ascending within a bank, by the hash of the
 * signature scheme, not of the bank (TPM 2.0 Library Part 3, TPM2_Quote).
 *
 * @param values - complete for the selection, see `valuesFault`
 */
export function pcrDigest(selections: readonly PcrSelection[], values: PcrValues, hash: HashName): Buffer {
  const parts: Buffer[] = [];
  for (const { bank, pcrs } of selections) {
    const registers = bank && values.get(bank);
    for (const pcr of pcrs) parts.push(registers?.get(pcr) ?? NOTHING);
  }
  return Buffer.from(digestHex(hash, Buffer.concat(parts)), "hex");
}
const NOTHING = Buffer.alloc(0);

/** Whether the values are the ones that were signed. */
export function matchesDigest(quote: Quote, values: PcrValues, hash: HashName): boolean {
  return equalBytes(pcrDigest(quote.selections, values, hash), quote.pcrDigest);
}

/** What a register holds after one value was extended into a register of zeros: H(0… ‖ value). */
export function extendedOnce(hash: HashName, value: Uint8Array): Buffer {
  return createHash(hash).update(Buffer.alloc(BANKS[hash].bytes)).update(value).digest();
}

const NAMES: readonly string[] = Array.from({ length: 32 }, (_, pcr) => `pcr${String(pcr).padStart(2, "0")}`);

/** `pcr08`, as claims name a register. */
export function pcrName(pcr: number): string {
  return NAMES[pcr] ?? `pcr${pcr}`;
}
