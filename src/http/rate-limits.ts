import { KbsError } from "../errors.ts";
import { DEFAULT_PREFIX_LENGTHS, type PrefixLengths, prefixOf } from "./client-prefix.ts";
import { type Rate, RateLimiter } from "./rate-limit.ts";

/** Kinds of requests that are limited each for itself. `resource`: every call to a plugin by token. */
const RATE_CLASSES = ["auth", "attest", "resource", "admin"] as const;
export type RateClass = (typeof RATE_CLASSES)[number];

export interface RateLimitsOptions extends PrefixLengths, Readonly<Record<RateClass, Rate>> {
  /** Prefixes remembered at once, in each class. */
  readonly maxPrefixes: number;
}

/**
 * One pod makes a handful of handshakes within seconds of its start, and a node full of pods comes from one
 * address; the bursts leave room for a cluster that starts cold.
 */
export const DEFAULT_RATE_LIMITS: RateLimitsOptions = {
  ...DEFAULT_PREFIX_LENGTHS,
  maxPrefixes: 100_000,
  auth: { perSecond: 500, burst: 20_000 },
  attest: { perSecond: 100, burst: 2_000 },
  resource: { perSecond: 500, burst: 10_000 },
  admin: { perSecond: 100, burst: 2_000 },
};

/** The limits of every class, kept per client prefix. */
export class RateLimits {
  readonly #options: RateLimitsOptions;
  readonly #limiters: Readonly<Record<RateClass, RateLimiter>>;
  readonly #onRefused: () => void;

  constructor(options: RateLimitsOptions, monotonic: () => number, onRefused: () => void) {
    const limiter = (rate: Rate) => new RateLimiter({ ...rate, maxPrefixes: options.maxPrefixes, monotonic });
    this.#options = options;
    this.#limiters = {
      auth: limiter(options.auth),
      attest: limiter(options.attest),
      resource: limiter(options.resource),
      admin: limiter(options.admin),
    };
    this.#onRefused = onRefused;
  }

  /** @throws KbsError `rate-limited` */
  check(kind: RateClass, client: string): void {
    if (this.#limiters[kind].allow(prefixOf(client, this.#options))) return;
    this.#onRefused();
    throw new KbsError("rate-limited", "Too many requests from this network; slow down.", {
      retryAfterSeconds: 1,
    });
  }
}
