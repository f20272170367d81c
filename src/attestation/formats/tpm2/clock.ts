/** What consecutive quotes of one key may say about time (TPM 2.0 Library Part 1, §36). */
import type { ClockInfo } from "./attest.ts";

export interface ClockJudgement {
  /** What forbids this quote after the last one; undefined when nothing does. */
  readonly fault: string | undefined;
  /** Whether the TPM was reset since the last quote. */
  readonly rebooted: boolean;
}

/**
 * Judges a quote's counters against those of the last quote by the same key. Only differences count: for keys outside
 * the endorsement hierarchy a TPM adds a constant to both counters, modulo 2^32.
 */
export function judgeClock(last: ClockInfo, next: ClockInfo): ClockJudgement {
  const resets = difference(last.resetCount, next.resetCount);
  if (resets < 0) return refused("resetCount went back: a rollback, or another TPM");
  if (resets === 0) return sameBoot(last, next);
  if (next.clock < last.clock && next.safe)
    return refused("the clock went back over a reset that was orderly");
  return { fault: undefined, rebooted: true };
}

function sameBoot(last: ClockInfo, next: ClockInfo): ClockJudgement {
  if (difference(last.restartCount, next.restartCount) < 0) return refused("restartCount went back");
  if (next.clock <= last.clock) return refused("the clock did not advance since the last quote: a replay");
  if (last.safe && !next.safe) return refused("the clock was safe and no longer is, without a reset");
  return { fault: undefined, rebooted: false };
}

function refused(fault: string): ClockJudgement {
  return { fault, rebooted: false };
}

/** Signed difference modulo 2^32: the shorter way round. */
function difference(from: number, to: number): number {
  return (to - from) | 0;
}
