import { KbsError } from "../../errors.ts";

export interface CircuitOptions {
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
  /** Failures in a row after which nobody asks for a while. */
  readonly failures?: number;
  readonly pauseMilliseconds?: number;
}

const FAILURES = 5;
const PAUSE_MS = 5_000;

/**
 * Leaves a service alone that keeps failing, so that guests learn at once what they would otherwise learn at the
 * deadline. After the pause one request tries; the others wait for its outcome no longer than it takes to refuse.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  #openUntil = Number.NEGATIVE_INFINITY;
  #trying = false;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /**
   * Runs the task unless the service is being left alone.
   *
   * @param refusal - what to throw while it is
   * @throws whatever the task throws; only `attestation-service-unavailable` counts as a failure of the service
   */
  async run<T>(task: () => Promise<T>, refusal: () => KbsError): Promise<T> {
    const probing = this.#admit(refusal);
    try {
      const value = await task();
      this.#failures = 0;
      return value;
    } catch (error) {
      this.#note(error);
      throw error;
    } finally {
      if (probing) this.#trying = false;
    }
  }

  /** @returns whether this request is the one that tries */
  #admit(refusal: () => KbsError): boolean {
    if (this.#failures < (this.#options.failures ?? FAILURES)) return false;
    if (this.#trying || this.#options.monotonic() < this.#openUntil) throw refusal();
    this.#trying = true;
    return true;
  }

  #note(error: unknown): void {
    const failed = error instanceof KbsError && error.code === "attestation-service-unavailable";
    // Whoever gives a verdict works.
    this.#failures = failed ? this.#failures + 1 : 0;
    if (failed) this.#openUntil = this.#options.monotonic() + (this.#options.pauseMilliseconds ?? PAUSE_MS);
  }
}
