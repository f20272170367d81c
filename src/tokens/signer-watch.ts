import type { SignerSource } from "./signer-source.ts";
import type { RememberedKey, SigningKeys } from "./signing-keys.ts";

export interface SignerWatchOptions {
  readonly source: SignerSource;
  readonly keys: SigningKeys;
  readonly intervalMs: number;
  /** Longest time that one look may take. */
  readonly timeoutMs: number;
  /** Keeps the public keys for the next run. */
  readonly remember: (keys: readonly RememberedKey[]) => Promise<void>;
  /** Hears of a new set of keys, the one that is to sign last. */
  readonly onChange: (kids: readonly string[]) => void;
  /** Hears of a look that failed; the keys stay as they are. */
  readonly onFailure: (error: unknown) => void;
}

/** Looks for new signing keys, so that they are replaced without a restart. */
export class SignerWatch {
  readonly #options: SignerWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SignerWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.check(), this.#options.intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks if there may be something to see. Never rejects. */
  async check(): Promise<void> {
    if (await this.#options.source.changed()) await this.reload();
  }

  /** Looks now, say on SIGHUP. Never rejects. */
  reload(): Promise<void> {
    this.#running ??= this.#reload().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #reload(): Promise<void> {
    const { source, keys, timeoutMs, remember, onChange, onFailure } = this.#options;
    try {
      const offered = await source.load(AbortSignal.timeout(timeoutMs));
      if (!keys.offer(offered, source.complete)) return;
      onChange(keys.remembered.map(({ key }) => key.kid));
      await remember(keys.remembered);
    } catch (error) {
      onFailure(error);
    }
  }
}
