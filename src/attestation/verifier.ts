import type { ConfigSection } from "../config/section.ts";
import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import type { Tee } from "../protocol/tee.ts";

export type { Tee } from "../protocol/tee.ts";

export type TeeClass = "cpu" | "gpu" | "switch" | "ppcie" | "dcu" | "nvidia-dpu";

/**
 * One step of a verifier's work, in the order in which it was done. The error, the log, the command line
 * and the explainer all print this same list.
 */
export interface Check {
  /** Stable kebab-case name, say `report-signature`. */
  readonly check: string;
  /** `not-checked`: the caller gave nothing to compare with; only offline verification may end so. */
  readonly outcome: "passed" | "failed" | "not-checked";
  /** What had to hold, for a person. Never a secret. */
  readonly expected: string;
  readonly seen: string;
  /** Document, revision, section that the check follows. */
  readonly source: string;
}

/**
 * What the evidence must be bound to. `undefined` means that the caller has nothing to compare with; the
 * broker always has a digest for `runtimeDataDigest`, only the offline command may leave it out.
 */
export interface Expected {
  /** Bytes that the evidence must carry as report data, before the TEE's own padding or cutting. */
  readonly runtimeDataDigest: Uint8Array | undefined;
  /** `undefined`: the guest sent no init-data. */
  readonly initDataDigest: Uint8Array | undefined;
}

export interface TeeResult {
  readonly teeClass: TeeClass;
  /**
   * Claims for policy. `report_data` and `init_data` (strings) are lifted beside the TEE's own object by the
   * pipeline; every other member stays below the TEE's name.
   */
  readonly claims: JsonObject;
}

export interface Verification {
  readonly checks: readonly Check[];
  /** Never empty. */
  readonly results: readonly TeeResult[];
}

export interface Verifier {
  readonly tee: Tee;
  /**
   * Decides whether genuine hardware of this kind produced `evidence` for `expected`. Claims exist only in
   * the return value: nobody can read them before every check held.
   *
   * @throws EvidenceRejected when a check failed; KbsError `collateral-unavailable` when it could not be done;
   *   nothing else on any input
   */
  verify(evidence: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification>;
  /** Only where the TEE needs a challenge made by the server (IBM Secure Execution). */
  challenge?(teeParameters: string, signal: AbortSignal): Promise<string>;
}

/** A check failed. Carries everything done up to and including it. */
export class EvidenceRejected extends KbsError {
  readonly checks: readonly Check[];
  /** Name of the failed check, the last of `checks`. */
  readonly check: string;

  constructor(tee: Tee, checks: readonly Check[], failed: Check, cause?: unknown) {
    super("evidence-rejected", `${tee}: ${failed.check}: expected ${failed.expected}, saw ${failed.seen}`, {
      extra: {
        tee,
        check: failed.check,
        expected: failed.expected,
        seen: failed.seen,
        source: failed.source,
      },
      ...(cause === undefined ? {} : { cause }),
    });
    this.checks = checks;
    this.check = failed.check;
  }
}

/** What a driver may use of the world; nothing else is in its reach. */
export interface DriverDependencies<Source> {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly collateral: Source;
}

export interface VerifierDriver<Config, Source = unknown> {
  readonly tee: Tee;
  readonly config: ConfigSection<Config>;
  create(config: Config, dependencies: DriverDependencies<Source>): Verifier;
}
