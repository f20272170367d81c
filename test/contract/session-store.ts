import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { CompletedSession, SessionStore } from "../../src/sessions/session-store.ts";

export interface SessionStoreHarness {
  readonly store: SessionStore;
  /** A second door to the same data, as another replica has it; the same object where there can be no other. */
  readonly replica: SessionStore;
  /** The store's time, in milliseconds since the epoch. */
  readonly now: () => number;
  /** Lets time pass for the store. */
  advance(milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

/** What every session store must do; call it once for each implementation. */
export function sessionStoreContract(name: string, open: () => Promise<SessionStoreHarness>): void {
  describe(`session store contract: ${name}`, () => {
    let harness: SessionStoreHarness;
    const signal = new AbortController().signal;
    const session = (lifetime = 60_000): CompletedSession => ({
      bodyDigest: randomBytes(32),
      sealedToken: randomBytes(500),
      expiresAt: harness.now() + lifetime,
    });
    const id = () => randomBytes(16).toString("hex");

    beforeEach(async () => {
      harness = await open();
    });
    afterEach(() => harness.close());

    test("a session that never ended is not there", async () => {
      expect(await harness.store.load(id(), signal)).toBeUndefined();
    });

    test("what was completed is loaded byte for byte, on every replica", async () => {
      const key = id();
      const completed = session();
      expect(await harness.store.complete(key, completed, signal)).toEqual({ outcome: "completed" });
      const loaded = await harness.replica.load(key, signal);
      expect(Buffer.from(loaded?.bodyDigest ?? [])).toEqual(completed.bodyDigest);
      expect(Buffer.from(loaded?.sealedToken ?? [])).toEqual(completed.sealedToken);
      expect(loaded?.expiresAt).toBe(completed.expiresAt);
    });

    test("a second completion gets the first one's session and changes nothing", async () => {
      const key = id();
      const first = session();
      await harness.store.complete(key, first, signal);
      const second = await harness.replica.complete(key, session(), signal);
      expect(second.outcome).toBe("already");
      if (second.outcome === "already")
        expect(Buffer.from(second.session.sealedToken)).toEqual(first.sealedToken);
      expect(Buffer.from((await harness.store.load(key, signal))?.sealedToken ?? [])).toEqual(
        first.sealedToken,
      );
    });

    test("A4 of many at once, on two replicas, exactly one completes", async () => {
      const key = id();
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 === 0 ? harness.store : harness.replica).complete(key, session(), signal),
        ),
      );
      expect(results.filter((result) => result.outcome === "completed")).toHaveLength(1);
    });

    test("A11 is there until the moment it expires and gone from then on", async () => {
      const key = id();
      await harness.store.complete(key, session(10_000), signal);
      await harness.advance(9_000);
      expect(await harness.store.load(key, signal)).toBeDefined();
      await harness.advance(1_000);
      expect(await harness.store.load(key, signal)).toBeUndefined();
    });

    test("sessions do not touch one another", async () => {
      const [one, other] = [id(), id()];
      const completed = session();
      await harness.store.complete(one, completed, signal);
      expect(await harness.store.complete(other, session(), signal)).toEqual({ outcome: "completed" });
      expect(Buffer.from((await harness.store.load(one, signal))?.bodyDigest ?? [])).toEqual(
        completed.bodyDigest,
      );
    });

    test("says that it is ready", async () => {
      await expect(harness.store.ready(signal)).resolves.toBeUndefined();
    });
  });
}
