import { KbsError } from "../errors.ts";

/** Lets a bounded number of tasks run at once and a bounded number wait; the rest is refused. */
export class Gate {
  readonly #maxRunning: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  /** Signals of the requests that are inside now. */
  readonly #inside = new WeakSet<AbortSignal>();
  #running = 0;
  #outside = 0;

  constructor(maxRunning: number, maxWaiting: number) {
    this.#maxRunning = maxRunning;
    this.#maxWaiting = maxWaiting;
  }

  /** @throws KbsError `overloaded`: too many wait already, or the deadline came while waiting */
  async run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      this.#leave(signal);
    }
  }

  /**
   * Lets the request that `signal` belongs to wait outside, for something far away, while another one takes its
   * place. It comes back before those who have not begun. As many may wait like this as may be inside and in the queue
   * together.
   *
   * @throws KbsError `overloaded`: too many wait outside already, or the deadline came before it was inside again
   */
  async outside<T>(signal: AbortSignal, wait: () => Promise<T>): Promise<T> {
    if (!this.#inside.has(signal)) return await wait();
    if (this.#outside >= this.#maxRunning + this.#maxWaiting) throw overloaded();
    this.#leave(signal);
    this.#outside++;
    let result: T;
    try {
      result = await wait().finally(() => this.#outside--);
    } catch (error) {
      // Whoever waited may have another way to go on; that it waited in vain is what matters if not.
      await this.#enter(signal, true).catch(() => {
        throw error;
      });
      throw error;
    }
    await this.#enter(signal, true);
    return result;
  }

  async #enter(signal: AbortSignal, first = false): Promise<void> {
    if (this.#running >= this.#maxRunning) await this.#turn(signal, first);
    else this.#running++;
    this.#inside.add(signal);
  }

  #leave(signal: AbortSignal): void {
    // The request that could not come back in has no place to give up.
    if (!this.#inside.delete(signal)) return;
    const next = this.#waiting.shift();
    // The place is handed on, not given up: nobody can slip in between.
    if (next === undefined) this.#running--;
    else next();
  }

  #turn(signal: AbortSignal, first: boolean): Promise<void> {
    const full = !first && this.#waiting.length >= this.#maxWaiting;
    if (full || signal.aborted) return Promise.reject(overloaded());
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(overloaded());
      };
      signal.addEventListener("abort", leave, { once: true });
      if (first) this.#waiting.unshift(enter);
      else this.#waiting.push(enter);
    });
  }
}

function overloaded(): KbsError {
  return new KbsError("overloaded", "Too many attestations are under way; try again in a moment.", {
    retryAfterSeconds: 1,
    kbsType: "AttestationError",
  });
}
