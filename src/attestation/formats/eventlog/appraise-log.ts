/**
 * A whole appraisal as plain data in and out, so that it can be done on another thread: read, compare, make claims.
 */
import type { JsonObject } from "../../../json/value.ts";
import { appraiseIma, type ImaReport, imaClaims } from "../ima/appraise.ts";
import { parseImaLog } from "../ima/ima-log.ts";
import { type ImaPolicy, parseImaPolicy } from "../ima/policy.ts";
import type { HashName } from "./algorithms.ts";
import type { DigestFault } from "./bound-data.ts";
import { checkReplay, type Mismatch, type RegisterState } from "./check-replay.ts";
import { type ClaimsDetail, eventClaims } from "./claims.ts";
import { parseEventLog } from "./detect.ts";
import type { LogFormat, LogLimits, RegisterKind } from "./event-log.ts";
import { replay } from "./replay.ts";

/** Everything an appraisal of an event log needs. */
export interface EventLogJob {
  readonly bytes: Uint8Array;
  /** Register as the log counts → signed value. */
  readonly quoted: ReadonlyMap<number, Uint8Array>;
  readonly algorithm: HashName;
  readonly kind: RegisterKind;
  /** Registers that may have been extended further in the log than when they were signed. */
  readonly prefixAllowed?: readonly number[];
  readonly detail?: ClaimsDetail;
  readonly limits?: LogLimits;
}

export interface EventLogAppraisal {
  readonly format: LogFormat;
  readonly events: number;
  /** Registers match and no covered event contradicts its data. */
  readonly ok: boolean;
  readonly mismatches: readonly Mismatch[];
  readonly faults: readonly DigestFault[];
  readonly states: ReadonlyMap<number, RegisterState>;
  /** What the log replays to, register by register: for what goes on where it ends. */
  readonly replayed: ReadonlyMap<number, Uint8Array>;
  /** `uefi_event_logs` and `eventlog`; not to be used unless `ok`. */
  readonly claims: JsonObject;
}

/**
 * @throws EventLogError when the bytes are no log; ReplayImpossible when this OpenSSL lacks the algorithm
 */
export function appraiseEventLog(job: EventLogJob): EventLogAppraisal {
  const { algorithm, kind, prefixAllowed = [], detail = "full" } = job;
  const log = parseEventLog(job.bytes, job.limits);
  const options = { kind, prefixAllowed: (register: number) => prefixAllowed.includes(register) };
  const report = checkReplay(log, job.quoted, algorithm, options);
  const { ok, mismatches, faults, states } = report;
  return {
    format: log.format,
    events: log.count,
    ok,
    mismatches,
    faults,
    states,
    replayed: replay(log, algorithm, { kind }),
    claims: ok ? eventClaims(log, report, { detail }) : {},
  };
}

/** Everything an appraisal of an IMA list needs. */
export interface ImaJob {
  readonly bytes: Uint8Array;
  readonly quoted: Uint8Array;
  readonly algorithm: HashName;
  readonly register?: number;
  /** What the register held before the first record; default zeros. */
  readonly initial?: Uint8Array;
  readonly banks?: ReadonlyMap<HashName, ReadonlyMap<number, Uint8Array>>;
  /** A policy document in any form that `parseImaPolicy` reads. */
  readonly policy?: Uint8Array;
  readonly limits?: LogLimits;
}

export interface ImaAppraisal extends ImaReport {
  /** Claim `ima`; not to be used unless `ok`. */
  readonly claims: JsonObject;
}

/**
 * @throws EventLogError when the bytes are no list; ImaPolicyError; ReplayImpossible
 */
export function appraiseImaLog(job: ImaJob, policies = new PolicyCache()): ImaAppraisal {
  const { bytes, policy, limits, ...options } = job;
  const parsed = policy === undefined ? {} : { policy: policies.parse(policy) };
  const report = appraiseIma(parseImaLog(bytes, limits), { ...options, ...parsed });
  return { ...report, claims: imaClaims(report) };
}

/** The policy read last: a policy of a hundred thousand files takes longer to read than a list to appraise. */
export class PolicyCache {
  #document: Buffer | undefined;
  #policy: ImaPolicy | undefined;

  parse(document: Uint8Array): ImaPolicy {
    if (this.#policy !== undefined && this.#document?.equals(document) === true) return this.#policy;
    const policy = parseImaPolicy(document);
    this.#document = Buffer.from(document);
    this.#policy = policy;
    return policy;
  }
}

/** Who appraises logs: on this thread, or on others (`src/workers`). */
export interface LogAppraiser {
  /** @throws as `appraiseEventLog`; EventLogError when it takes too long; KbsError `overloaded` when too many wait */
  eventLog(job: EventLogJob, signal: AbortSignal): Promise<EventLogAppraisal>;
  /** @throws as `appraiseImaLog`; EventLogError when it takes too long; KbsError `overloaded` when too many wait */
  ima(job: ImaJob, signal: AbortSignal): Promise<ImaAppraisal>;
}

/** Appraises on the calling thread; for the command line, the library, and small logs. */
export function inlineAppraiser(): LogAppraiser {
  const policies = new PolicyCache();
  return {
    eventLog: async (job, signal) => {
      signal.throwIfAborted();
      return appraiseEventLog(job);
    },
    ima: async (job, signal) => {
      signal.throwIfAborted();
      return appraiseImaLog(job, policies);
    },
  };
}
