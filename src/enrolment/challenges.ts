/** Credentials that were handed out and wait for their proof. */
import { KbsError } from "../errors.ts";

export interface OpenChallenge<About> {
  readonly about: About;
  /** Address that asked. */
  readonly client: string;
  /** What only the right TPM can get out of the credential. 32 bytes. */
  readonly secret: Buffer;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const MAX_OPEN = 4096;
/**
 * A machine that tries again has its oldest challenge replaced. Endorsement keys are no secrets, so only what the same
 * client asked for is replaced: nobody else can crowd a machine out by naming its key.
 */
const MAX_OPEN_PER_CLIENT = 4;
const MAX_OPEN_PER_TPM = 256;

/** Challenges by their id. Each is used once: taking one removes it, whatever comes of it. */
export class Challenges<About extends { readonly ekFingerprint: string }> {
  readonly #open = new Map<string, OpenChallenge<About>>();
  readonly #now: () => number;

  /** @param now - milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @throws KbsError `overloaded` */
  add(id: string, challenge: OpenChallenge<About>): void {
    this.#dropExpired();
    const { ekFingerprint } = challenge.about;
    const same = [...this.#open].filter(([, open]) => open.about.ekFingerprint === ekFingerprint);
    const own = same.filter(([, open]) => open.client === challenge.client);
    const old = own.slice(0, Math.max(0, own.length - MAX_OPEN_PER_CLIENT + 1));
    for (const [oldest] of old) this.#remove(oldest);
    if (this.#open.size >= MAX_OPEN || same.length - old.length >= MAX_OPEN_PER_TPM)
      throw new KbsError("overloaded", "Too many machines enrol at this moment; try again.", {
        retryAfterSeconds: 60,
      });
    this.#open.set(id, challenge);
  }

  /** @returns undefined for an id that is unknown, used or expired */
  take(id: string): OpenChallenge<About> | undefined {
    const found = this.#open.get(id);
    this.#open.delete(id);
    return found === undefined || this.#now() >= found.expiresAt ? undefined : found;
  }

  /** In the order they were made, which is the order they expire in. */
  #dropExpired(): void {
    for (const [id, { expiresAt }] of this.#open) {
      if (this.#now() < expiresAt) return;
      this.#remove(id);
    }
  }

  #remove(id: string): void {
    this.#open.get(id)?.secret.fill(0);
    this.#open.delete(id);
  }
}
