/**
 * What verifiers ask about attestation keys that were enrolled: the one place where trust in a bare TPM's key comes
 * from. Whoever keeps the enrolments implements it; verifiers only read, and note the clock of quotes that verified.
 */
import type { ClockInfo } from "./attest.ts";

/**
 * `approved`: credential activation proved that this key lives in the TPM of `ekFingerprint`, and an administrator or
 * the enrolment policy let it in. Every other status refuses evidence.
 */
export type EnrolmentStatus = "approved" | "pending" | "revoked";

export interface EnrolledAk {
  readonly status: EnrolmentStatus;
  /** SHA-256 over the canonical SubjectPublicKeyInfo, see `keyFingerprint`. Lower-case hex, 64 digits. */
  readonly akFingerprint: string;
  /** The TPM object's Name, lower-case hex; it stands for the key's attributes as well. */
  readonly akName: string;
  /** SHA-256 over the endorsement key's canonical SubjectPublicKeyInfo, lower-case hex. */
  readonly ekFingerprint: string;
  /** Whether a pinned manufacturer vouches for the endorsement key, or only an operator's list. */
  readonly ekTrust: "certificate" | "listed";
  /** Name the machine was enrolled under. */
  readonly host: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly firmwareVersion?: string;
  /** Counters of the last quote that verified; `undefined` before the first. */
  readonly lastClock: ClockInfo | undefined;
}

export interface AkRegistry {
  /**
   * Looks a key up.
   *
   * @param akFingerprint - see `EnrolledAk`
   * @returns undefined for a key that nobody enrolled
   * @throws KbsError `storage-unavailable`
   */
  find(akFingerprint: string, signal: AbortSignal): Promise<EnrolledAk | undefined>;
  /**
   * Notes the counters of a quote that verified, if those it was judged against are still the last ones.
   *
   * @returns false when another quote by the key was noted in between, or the enrolment is gone; nothing is changed then
   * @throws KbsError `storage-unavailable`
   */
  recordClock(
    akFingerprint: string,
    judgedAgainst: ClockInfo | undefined,
    clock: ClockInfo,
    signal: AbortSignal,
  ): Promise<boolean>;
}

/** No enrolments: every key is unknown. */
export const NO_ENROLMENTS: AkRegistry = {
  find: async () => undefined,
  recordClock: async () => false,
};
