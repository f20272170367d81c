import type { OpenSession } from "./session-record.ts";
import type { CompletedSession } from "./session-store.ts";

/** A cookie that this process opened or made a moment ago. */
interface RecentSession {
  readonly session: OpenSession;
  /** The token that `completed` holds sealed. */
  token: string | undefined;
  completed: CompletedSession | undefined;
}

/**
 * Spares the cipher work of a guest that comes back within the moment, as all of them do. It decides nothing:
 * expiry is checked each time and the store is asked each time. Bounded; the oldest go first, which costs the
 * one who comes back for them a decryption.
 */
export class RecentSessions {
  readonly #sessions = new Map<string, RecentSession>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  session(cookie: string): OpenSession | undefined {
    return this.#sessions.get(cookie)?.session;
  }

  add(cookie: string, session: OpenSession): void {
    if (this.#sessions.size >= this.#max) {
      const oldest = this.#sessions.keys().next();
      if (oldest.done !== true) this.#sessions.delete(oldest.value);
    }
    this.#sessions.set(cookie, { session, token: undefined, completed: undefined });
  }

  /** The token, if it was unsealed from this very record before. */
  token(cookie: string, completed: CompletedSession): string | undefined {
    const recent = this.#sessions.get(cookie);
    return recent?.completed === completed ? recent.token : undefined;
  }

  keepToken(cookie: string, completed: CompletedSession, token: string): void {
    const recent = this.#sessions.get(cookie);
    if (recent === undefined) return;
    recent.completed = completed;
    recent.token = token;
  }
}
