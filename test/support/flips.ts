/** Bits of evidence, flipped one by one. */
import { EvidenceRejected } from "../../src/attestation/verifier.ts";

interface FlipOptions {
  /** Byte ranges that nothing signs or binds: [from, to). */
  readonly unsigned?: readonly (readonly [number, number])[];
  /** Every how many bits; 1: all. Odd numbers meet every bit position. */
  readonly stride: number;
}

/**
 * Flips bits and gives the numbers of those whose flip was accepted. Anything thrown that is no refusal fails.
 *
 * @param verify - for a changed copy
 */
export async function acceptedBits(
  bytes: Buffer,
  { unsigned = [], stride }: FlipOptions,
  verify: (flipped: Buffer) => Promise<unknown>,
): Promise<{ readonly accepted: readonly number[]; readonly tried: number }> {
  const accepted: number[] = [];
  let tried = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += stride) {
    const at = bit >> 3;
    if (unsigned.some(([from, to]) => at >= from && at < to)) continue;
    tried++;
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (bit & 7)), at);
    const refusal: unknown = await verify(flipped).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) accepted.push(bit);
    else if (!(refusal instanceof EvidenceRejected)) throw refusal;
  }
  return { accepted, tried };
}

/** All bits where KEYWARDEN_FULL is set, otherwise enough of them to be quick. */
export const FLIP_STRIDE = process.env["KEYWARDEN_FULL"] === undefined ? 61 : 1;
