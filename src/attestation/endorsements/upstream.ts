import { LRUCache } from "lru-cache";
import { KbsError } from "../../errors.ts";
import { type HttpAnswer, type HttpExtras, type HttpGet, TransferError } from "./https-get.ts";

export interface UpstreamLimits {
  readonly maxBytes: number;
  readonly timeoutMilliseconds: number;
  readonly maxConcurrent: number;
  /** Requests that may wait for their turn. */
  readonly maxWaiting: number;
  readonly negativeCacheMilliseconds: number;
  /** Statuses with which this service says that there is no such thing. */
  readonly notFound?: readonly number[];
}

/** What happened to one request, for logs and metrics. Paths name chips, so they are not part of it. */
export interface UpstreamEvent {
  readonly upstream: string;
  readonly outcome: "answered" | "not-found" | "throttled" | "failed" | "refused" | "stale";
  readonly milliseconds: number;
  readonly detail?: string;
}

export interface UpstreamWorld {
  readonly httpGet: HttpGet;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onEvent?: (event: UpstreamEvent) => void;
  /**
   * Waits for a service on behalf of the request that `signal` belongs to, so that it holds up nobody meanwhile.
   * Absent: waits.
   */
  readonly whileWaiting?: <T>(signal: AbortSignal, wait: () => Promise<T>) => Promise<T>;
}

interface Refusal {
  readonly at: number;
  readonly until: number;
  /** `undefined`: the service said that there is no such thing. */
  readonly why: string | undefined;
}

const MAX_REFUSALS = 4096;
/** Failures in a row after which the service is left alone for a while. */
const BREAKER_FAILURES = 5;
const BREAKER_MILLISECONDS = 30_000;
const MAX_PAUSE_MILLISECONDS = 300_000;
/** Requests of guests that may wait for one service, for the same answer or for several. */
const MAX_CALLERS = 1024;
const NOT_FOUND: readonly number[] = [400, 404];

/**
 * One vendor service at one fixed origin, used sparingly: the same thing is asked once however many guests
 * want it, failures are remembered, and a service that throttles or hangs is left alone. Requests of others
 * are not held up: whoever finds the service paused gets an error at once.
 */
export class Upstream {
  readonly #name: string;
  readonly #origin: string;
  readonly #limits: UpstreamLimits;
  readonly #world: UpstreamWorld;
  readonly #extras: HttpExtras;
  readonly #flights = new Map<string, Promise<HttpAnswer | undefined>>();
  readonly #refusals = new LRUCache<string, Refusal>({ max: MAX_REFUSALS });
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #callers = 0;
  #failures = 0;
  #pause: Refusal | undefined;

  constructor(
    name: string,
    origin: string,
    limits: UpstreamLimits,
    world: UpstreamWorld,
    extras: HttpExtras = {},
  ) {
    this.#name = name;
    this.#origin = origin;
    this.#limits = limits;
    this.#world = world;
    this.#extras = extras;
  }

  /**
   * @param path - built by the caller from digits and fixed words, never from text of evidence
   * @param signal - ends the waiting of this caller; the request itself has its own deadline
   * @returns undefined when the service does not have it
   * @throws KbsError `collateral-unavailable`
   */
  async get(path: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return (await this.ask(path, signal))?.body;
  }

  /** The same, with the headers of the answer. */
  async ask(path: string, signal: AbortSignal): Promise<HttpAnswer | undefined> {
    if (this.#callers >= MAX_CALLERS) throw unavailable(this.#name, "too many requests are waiting for it");
    this.#callers++;
    try {
      return await awaited(this.#flight(path), signal, this.#name, this.#world);
    } finally {
      this.#callers--;
    }
  }

  /** Remembers that what the service answered was of no use, so that it is not asked again at once. */
  disappointed(path: string, why: string): void {
    this.#refuse(path, why);
    this.#tell("refused", this.#world.now(), why);
  }

  #flight(path: string): Promise<HttpAnswer | undefined> {
    const running = this.#flights.get(path);
    if (running !== undefined) return running;
    const refusal = this.#current(this.#refusals.get(path)) ?? this.#current(this.#pause);
    if (refusal !== undefined) return this.#refused(refusal);
    // One request finds out whether a service that kept failing is back; nobody else waits for that.
    if (this.#failures >= BREAKER_FAILURES && this.#running > 0)
      return Promise.reject(unavailable(this.#name, "it keeps failing and is being tried again"));
    if (this.#running >= this.#limits.maxConcurrent && this.#waiting.length >= this.#limits.maxWaiting)
      return Promise.reject(unavailable(this.#name, "too many requests are waiting for it"));
    const flight = this.#inTurn(path).finally(() => this.#flights.delete(path));
    this.#flights.set(path, flight);
    // Every caller may have given up before the flight fails.
    flight.catch(() => undefined);
    return flight;
  }

  async #refused({ why, until }: Refusal): Promise<undefined> {
    if (why === undefined) return undefined;
    throw unavailable(this.#name, why, Math.ceil((until - this.#world.now()) / 1000));
  }

  /** A clock that jumped makes an entry worthless in either direction. */
  #current(refusal: Refusal | undefined): Refusal | undefined {
    const now = this.#world.now();
    return refusal !== undefined && now >= refusal.at && now < refusal.until ? refusal : undefined;
  }

  async #inTurn(path: string): Promise<HttpAnswer | undefined> {
    if (this.#running >= this.#limits.maxConcurrent)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      const paused = this.#current(this.#pause);
      return paused === undefined ? await this.#ask(path) : await this.#refused(paused);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #ask(path: string): Promise<HttpAnswer | undefined> {
    const began = this.#world.now();
    const answer = await this.#transfer(path, began);
    const { status } = answer;
    if (status === 200) {
      this.#failures = 0;
      this.#tell("answered", began);
      return answer;
    }
    if ((this.#limits.notFound ?? NOT_FOUND).includes(status)) {
      this.#failures = 0;
      this.#refuse(path, undefined);
      this.#tell("not-found", began);
      return undefined;
    }
    throw this.#unusable(path, answer, began);
  }

  async #transfer(path: string, began: number): Promise<HttpAnswer> {
    try {
      return await this.#world.httpGet(new URL(path, this.#origin), this.#limits, this.#extras);
    } catch (error) {
      const why = error instanceof TransferError ? error.message : "no answer";
      this.#failed(path, why, began);
      throw unavailable(this.#name, why, undefined, error);
    }
  }

  #unusable(path: string, { status, retryAfterSeconds }: HttpAnswer, began: number): KbsError {
    if (status === 429 || status === 503) {
      const pause = Math.min((retryAfterSeconds ?? 60) * 1000, MAX_PAUSE_MILLISECONDS);
      this.#pauseFor(pause, `it asks for patience (status ${status})`);
      this.#tell("throttled", began);
      return unavailable(this.#name, `it asks for patience (status ${status})`, Math.ceil(pause / 1000));
    }
    // Redirects end here as well: the origin is fixed, whatever it answers.
    this.#failed(path, `it answered with status ${status}`, began);
    return unavailable(this.#name, `it answered with status ${status}`);
  }

  #failed(path: string, why: string, began: number): void {
    this.#refuse(path, why);
    this.#failures++;
    if (this.#failures >= BREAKER_FAILURES) this.#pauseFor(BREAKER_MILLISECONDS, `it keeps failing: ${why}`);
    this.#tell("failed", began, why);
  }

  #refuse(path: string, why: string | undefined): void {
    const at = this.#world.now();
    this.#refusals.set(path, { at, until: at + this.#limits.negativeCacheMilliseconds, why });
  }

  #pauseFor(milliseconds: number, why: string): void {
    const at = this.#world.now();
    this.#pause = { at, until: at + milliseconds, why };
  }

  #tell(outcome: UpstreamEvent["outcome"], began: number, detail?: string): void {
    const milliseconds = this.#world.now() - began;
    this.#world.onEvent?.({
      upstream: this.#name,
      outcome,
      milliseconds,
      ...(detail === undefined ? {} : { detail }),
    });
  }
}

export function unavailable(
  name: string,
  why: string,
  retryAfterSeconds?: number,
  cause?: unknown,
): KbsError {
  return new KbsError("collateral-unavailable", `${name} cannot be used: ${why}`, {
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds: Math.max(1, retryAfterSeconds) }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The promise's outcome, or an error as soon as this caller gives up. */
function abandonable<T>(promise: Promise<T>, signal: AbortSignal, name: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(unavailable(name, "no answer before the deadline of the request"));
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

/** The same, in the place where requests wait without holding up others. */
export function awaited<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  name: string,
  { whileWaiting }: Pick<UpstreamWorld, "whileWaiting">,
): Promise<T> {
  // Whoever is turned away, or gave up already, never listens; an unheard failure would end the process.
  promise.catch(() => undefined);
  const wait = () => abandonable(promise, signal, name);
  return whileWaiting === undefined ? wait() : whileWaiting(signal, wait);
}
