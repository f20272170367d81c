/** Memory of one request. */
export interface MemoryAccount {
  /** @returns false when it is not to be had */
  take(bytes: number): boolean;
}

/** What every request may take whatever the others do: all that a guest with usual evidence sends. */
const FREE_BYTES = 128 << 10;

/**
 * Memory for the bodies of all requests together. Only what goes beyond the usual is counted, so that a few who send
 * much, slowly, cannot keep guests out who send little.
 */
export class MemoryBudget {
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  open(): BudgetAccount {
    return new BudgetAccount((bytes) => {
      if (bytes > this.#left) return false;
      this.#left -= bytes;
      return true;
    });
  }
}

class BudgetAccount implements MemoryAccount {
  readonly #spend: (bytes: number) => boolean;
  #taken = 0;
  #counted = 0;
  #closed = false;

  constructor(spend: (bytes: number) => boolean) {
    this.#spend = spend;
  }

  take(bytes: number): boolean {
    const counted = Math.max(0, this.#taken + bytes - FREE_BYTES);
    if (this.#closed || !this.#spend(counted - this.#counted)) return false;
    this.#taken += bytes;
    this.#counted = counted;
    return true;
  }

  /** Gives everything back. Nothing more can be taken. */
  close(): void {
    this.#closed = true;
    this.#spend(-this.#counted);
    this.#counted = 0;
  }
}

export type { BudgetAccount };
