import { KbsError } from "../errors.ts";
import type { CompletedSession, SessionStore } from "./session-store.ts";

export interface MemorySessionStoreOptions {
  readonly now: () => number;
  /** Most sessions kept at once. Beyond it new ones are refused: evicting one would let its nonce be used twice. */
  readonly maxSessions: number;
  /** Most bytes of sealed tokens kept at once. */
  readonly maxBytes: number;
}

/** Tokens above this length share half of the memory: a few of them must not keep everybody else's out. */
const LARGE_TOKEN_BYTES = 64 << 10;

/** Completed sessions of one process. */
export class MemorySessionStore implements SessionStore {
  readonly #options: MemorySessionStoreOptions;
  readonly #sessions = new Map<string, CompletedSession>();
  /** Ids by the second in which they expire: forgetting costs no scan over all sessions. */
  readonly #expiring = new Map<number, string[]>();
  #bytes = 0;
  #largeBytes = 0;
  #sweptSecond = 0;

  constructor(options: MemorySessionStoreOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  async complete(id: string, session: CompletedSession): ReturnType<SessionStore["complete"]> {
    // No await between the look-up and the entry: that is what makes it atomic within one process.
    this.#sweep();
    const earlier = this.#unexpired(id);
    if (earlier !== undefined) return { outcome: "already", session: earlier };
    this.#admit(session);
    this.#forget(id);
    this.#sessions.set(id, session);
    this.#weigh(session, 1);
    const second = Math.floor(session.expiresAt / 1000);
    const ids = this.#expiring.get(second);
    if (ids === undefined) this.#expiring.set(second, [id]);
    else ids.push(id);
    return { outcome: "completed" };
  }

  async load(id: string): Promise<CompletedSession | undefined> {
    this.#sweep();
    return this.#unexpired(id);
  }

  async ready(): Promise<void> {
    // Nothing to reach.
  }

  async close(): Promise<void> {
    this.#sessions.clear();
    this.#expiring.clear();
    this.#bytes = 0;
    this.#largeBytes = 0;
  }

  #unexpired(id: string): CompletedSession | undefined {
    const session = this.#sessions.get(id);
    return session !== undefined && this.#options.now() < session.expiresAt ? session : undefined;
  }

  #admit(session: CompletedSession): void {
    const { maxSessions, maxBytes } = this.#options;
    const { length } = session.sealedToken;
    const large = length > LARGE_TOKEN_BYTES && this.#largeBytes + length > maxBytes / 2;
    if (large || this.#sessions.size >= maxSessions || this.#bytes + length > maxBytes)
      throw new KbsError("overloaded", "The table of attested sessions is full; try again in a minute.", {
        retryAfterSeconds: 60,
      });
  }

  #sweep(): void {
    const second = Math.floor(this.#options.now() / 1000);
    if (second === this.#sweptSecond) return;
    this.#sweptSecond = second;
    for (const [expiring, ids] of this.#expiring) {
      if (expiring >= second) continue;
      for (const id of ids) this.#forgetExpired(id, second);
      this.#expiring.delete(expiring);
    }
  }

  #forgetExpired(id: string, second: number): void {
    const session = this.#sessions.get(id);
    if (session !== undefined && session.expiresAt < second * 1000) this.#forget(id);
  }

  #forget(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#weigh(session, -1);
    this.#sessions.delete(id);
  }

  #weigh({ sealedToken: { length } }: CompletedSession, sign: 1 | -1): void {
    this.#bytes += sign * length;
    if (length > LARGE_TOKEN_BYTES) this.#largeBytes += sign * length;
  }
}
