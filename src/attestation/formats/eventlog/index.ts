/**
 * Event logs of firmware, kernels and agents: read, replay, compare with signed registers, turn into claims.
 *
 * ```ts
 * const log = parseEventLog(bytes);
 * const report = checkReplay(log, ccelRegisters(rtmrs), "sha384", { kind: "cc" });
 * if (!report.ok) refuse(report.mismatches, report.faults);
 * const claims = eventClaims(log, report);
 * ```
 */
export { HASH_ALGORITHMS, type HashName, hashById, hashByName, hashOf } from "./algorithms.ts";
export {
  appraiseEventLog,
  appraiseImaLog,
  type EventLogAppraisal,
  type EventLogJob,
  type ImaAppraisal,
  type ImaJob,
  inlineAppraiser,
  type LogAppraiser,
  PolicyCache,
} from "./appraise-log.ts";
export { type DigestFault, isBound } from "./bound-data.ts";
export { ccelRegisters } from "./ccel.ts";
export {
  type CheckReplayOptions,
  checkReplay,
  type Mismatch,
  type RegisterState,
  type ReplayReport,
} from "./check-replay.ts";
export { type ClaimsDetail, type EventClaimsOptions, eventClaims, eventList } from "./claims.ts";
export { parseEventLog } from "./detect.ts";
export {
  EventLog,
  EventLogError,
  type LogEvent,
  type LogFormat,
  type LogLimits,
  type RegisterKind,
} from "./event-log.ts";
export { ReplayImpossible, replay } from "./replay.ts";
export { parseTcgLog } from "./tcg.ts";
