import type { EventLog, LogLimits } from "./event-log.ts";
import { parseTcgLog } from "./tcg.ts";

/**
 * Reads a log of any known form; the first bytes tell which.
 *
 * @throws EventLogError
 */
export function parseEventLog(bytes: Uint8Array, limits: LogLimits = {}): EventLog {
  return parseTcgLog(bytes, limits);
}
