/** Something that must end by a certain time. */
export interface Due {
  /** On the monotonic clock, in milliseconds. */
  readonly dueAt: number;
  expire(): void;
}

/** Looks per deadline: things expire at most a quarter of their time late. */
const LOOKS = 4;
const MAX_INTERVAL_MS = 250;

/**
 * Deadlines that are all equally long. They end in the order in which they began, so one timer serves any number
 * of them; a timer each costs more than parsing the request it guards.
 */
export class Deadlines {
  readonly #pending = new Set<Due>();
  readonly #monotonic: () => number;
  readonly #intervalMilliseconds: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(lengthMilliseconds: number, monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#intervalMilliseconds = Math.min(MAX_INTERVAL_MS, lengthMilliseconds / LOOKS);
  }

  add(due: Due): void {
    this.#pending.add(due);
    this.#timer ??= setInterval(() => this.#look(), this.#intervalMilliseconds).unref();
  }

  remove(due: Due): void {
    this.#pending.delete(due);
  }

  /** Forgets the timer; deadlines that are added later start it again. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = this.#monotonic();
    for (const due of this.#pending) {
      if (due.dueAt > now) return;
      this.#pending.delete(due);
      due.expire();
    }
  }
}
