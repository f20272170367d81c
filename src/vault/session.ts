import { VaultFault } from "./fault.ts";
import { type Lease, type Login, leaseOf, type VaultCall } from "./login.ts";

export interface SessionOptions {
  readonly login: Login;
  readonly call: VaultCall;
  /** Told of logins, renewals and their failures; never of tokens. */
  readonly onEvent: (event: {
    readonly event: string;
    readonly login: string;
    readonly reason?: string;
  }) => void;
}

/** A lease is renewed after this share of its time, and a failed renewal tried again in what is left. */
const RENEW_AFTER = 0.66;
const RETRY_SECONDS = 5;
/** Whatever Vault says of a lease, it is not asked more often than this. */
const MIN_TIMER_SECONDS = 0.5;
const MAX_TIMER_SECONDS = 2_000_000;

/**
 * The token in use: taken when it is first needed, renewed before it ends, replaced when Vault no longer knows it. All
 * who need one at once share one login.
 */
export class VaultSession {
  readonly #options: SessionOptions;
  #lease: Lease | undefined;
  #entering: Promise<Lease> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** @throws VaultFault */
  async token(signal: AbortSignal): Promise<string> {
    return (this.#lease ?? (await this.#enter(signal))).token;
  }

  /**
   * Vault denied something to `token`. That may be the policy, and then another token would be denied as well; only when
   * Vault does not know the token any more is another one taken.
   *
   * @returns the other one, or `undefined`
   * @throws VaultFault
   */
  async afterDenial(token: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#lease !== undefined && this.#lease.token !== token) return this.#lease.token;
    if (await this.#isKnown(token, signal)) return undefined;
    if (this.#lease?.token === token) this.#lease = undefined;
    const { token: next } = this.#lease ?? (await this.#enter(signal));
    return next === token ? undefined : next;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#lease = undefined;
  }

  async #isKnown(token: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#options.call({ method: "GET", path: "auth/token/lookup-self", token }, signal);
      return true;
    } catch (error) {
      if (error instanceof VaultFault && error.reason === "denied") return false;
      throw error;
    }
  }

  /** Nobody's own signal ends a login that others wait for too; its calls have deadlines of their own. */
  #enter(signal: AbortSignal): Promise<Lease> {
    this.#entering ??= this.#login().finally(() => {
      this.#entering = undefined;
    });
    return untilAborted(this.#entering, signal);
  }

  async #login(): Promise<Lease> {
    const { login, call } = this.#options;
    try {
      const lease = await login.login(call, new AbortController().signal);
      this.#accept(lease);
      this.#tell("vault-login");
      return lease;
    } catch (error) {
      this.#tell("vault-login-failed", error);
      throw error;
    }
  }

  #accept(lease: Lease): void {
    this.#lease = lease;
    if (lease.seconds > 0) this.#schedule(lease.seconds * RENEW_AFTER);
  }

  #schedule(seconds: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const wait = Math.min(Math.max(seconds, MIN_TIMER_SECONDS), MAX_TIMER_SECONDS);
    this.#timer = setTimeout(() => void this.#renew(), wait * 1000);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    const old = this.#lease;
    if (old === undefined || this.#closed) return;
    try {
      const renewed = old.renewable ? await this.#extended(old) : undefined;
      if (this.#closed) return;
      if (renewed !== undefined && renewed.seconds > old.seconds * (1 - RENEW_AFTER)) {
        this.#accept(renewed);
        this.#tell("vault-token-renewed");
      } else await this.#enter(new AbortController().signal);
    } catch (error) {
      this.#tell("vault-renewal-failed", error);
      this.#schedule(RETRY_SECONDS);
    }
  }

  /** @returns undefined when Vault does not extend it any more: its greatest age is reached, or it was revoked */
  async #extended({ token }: Lease): Promise<Lease | undefined> {
    try {
      const path = "auth/token/renew-self";
      return leaseOf(
        await this.#options.call({ method: "POST", path, body: {}, token }, new AbortController().signal),
      );
    } catch (error) {
      if (error instanceof VaultFault && error.status !== undefined && error.status < 500) return undefined;
      throw error;
    }
  }

  #tell(event: string, error?: unknown): void {
    const reason =
      error instanceof VaultFault ? error.reason : error === undefined ? undefined : "credential";
    this.#options.onEvent({
      event,
      login: this.#options.login.kind,
      ...(reason === undefined ? {} : { reason }),
    });
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw signal.reason;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  // Who is left behind by everybody must not become an unhandled fault.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
