export interface Rate {
  /** Requests a prefix may make per second in the long run. */
  readonly perSecond: number;
  /** Requests a prefix may make at once after a pause. */
  readonly burst: number;
}

export interface RateLimitOptions extends Rate {
  /** Prefixes remembered at once. When they are all in use a new one is refused. */
  readonly maxPrefixes: number;
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right, in milliseconds. */
  at: number;
}

/** Buckets looked at per request while the table is full: bounded work, however many there are. */
const SWEEP_STEP = 64;

/**
 * Token bucket per client prefix. A prefix that has been quiet until its bucket is full again is the same as one
 * never seen, so it can be forgotten; one that is still paying is never pushed out by newcomers, or a flood of
 * addresses would wipe out its own record.
 */
export class RateLimiter {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, Bucket>();
  #sweep: IterableIterator<[string, Bucket]> | undefined;

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** @returns whether the request may go on; `false` also when the table is full and the prefix is new */
  allow(prefix: string): boolean {
    const now = this.#options.monotonic();
    const bucket = this.#buckets.get(prefix);
    if (bucket === undefined) return this.#admit(prefix, now);
    bucket.tokens = this.#tokensAt(bucket, now);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #admit(prefix: string, now: number): boolean {
    if (this.#buckets.size >= this.#options.maxPrefixes) this.#forgetQuiet(now);
    if (this.#buckets.size >= this.#options.maxPrefixes) return false;
    this.#buckets.set(prefix, { tokens: this.#options.burst - 1, at: now });
    return true;
  }

  #forgetQuiet(now: number): void {
    for (let step = 0; step < SWEEP_STEP; step++) {
      this.#sweep ??= this.#buckets.entries();
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      const [prefix, bucket] = next.value;
      if (this.#tokensAt(bucket, now) >= this.#options.burst) this.#buckets.delete(prefix);
    }
  }

  #tokensAt(bucket: Bucket, now: number): number {
    const { burst, perSecond } = this.#options;
    return Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
  }
}
