/**
 * IMA: what Linux measured of files, keys and buffers, and whether it may run.
 *
 * ```ts
 * const log = parseImaLog(bytes);
 * const report = appraiseIma(log, { algorithm: "sha256", quoted: pcr10, banks, policy: parseImaPolicy(document) });
 * if (!report.ok) refuse(report.match, report.failures);
 * ```
 */
export {
  type AppraiseImaOptions,
  appraiseIma,
  type ImaFailure,
  type ImaReason,
  type ImaReport,
  imaClaims,
} from "./appraise.ts";
export { type ImaFormat, ImaLog, parseImaLog } from "./ima-log.ts";
export type { ImaRecord } from "./ima-record.ts";
export { type ImaPolicy, parseImaPolicy } from "./policy.ts";
export { ImaPolicyError } from "./policy-error.ts";
export { IMA_PCR, type ImaMatch, type ImaReplayOptions, matchIma, replayIma } from "./replay.ts";
