import { join } from "node:path";
import type { KeywardenConfig } from "../config/load.ts";
import type { Logger } from "../observability/logger.ts";

/** What the process lends to its parts. Nothing below `compose` touches clock, randomness or environment. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch, never running backwards. */
  readonly now: () => number;
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
  /** How far the wall clock is behind `now` because somebody set it back; zero when nobody did. */
  readonly clockBehindMilliseconds: () => number;
  readonly log: Logger;
  readonly version: string;
  /** Ends start-up work that takes too long. */
  readonly startSignal: AbortSignal;
}

/** Where a key rests that the server makes for itself. */
export function keyFile({ dataDirectory }: KeywardenConfig, name: string): string {
  return join(dataDirectory, "keys", name);
}

/** For secrets that others on this machine can read. */
export function warnBy({ log }: World): (sentence: string) => void {
  return (sentence) => log.warn({ event: "configuration", detail: sentence });
}
