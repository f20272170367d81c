/** A clock that a test moves. Milliseconds since the epoch. */
export class TestClock {
  #now: number;

  constructor(start = Date.UTC(2026, 5, 1, 12)) {
    this.#now = start;
  }

  readonly now = (): number => this.#now;

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
