import type { Register } from "./replay.ts";

/** One register's way through the log. */
export interface Walk {
  readonly register: number;
  readonly quoted: Buffer | undefined;
  readonly replayed: Register;
  /** Index of the last event after which the register held the quoted value. */
  lastMatch: number | undefined;
  matchesInitial: boolean;
  events: number;
  /** An event that did not say what it extended this bank with. */
  withoutDigest: number | undefined;
}
