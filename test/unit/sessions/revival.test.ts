import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "@jest/globals";
import { MemorySessionStore } from "../../../src/sessions/memory-session-store.ts";
import { KeyRing } from "../../../src/sessions/seal.ts";
import type { SessionStore } from "../../../src/sessions/session-store.ts";
import { Sessions } from "../../../src/sessions/sessions.ts";
import { TestClock } from "../../support/clock.ts";

const signal = new AbortController().signal;
const digest = createHash("sha256").update("body").digest();

function sessionsOver(store: SessionStore, now: () => number) {
  const keys = new KeyRing([randomBytes(32)]);
  return new Sessions({ keys, store, now, random: randomBytes, lifetimeSeconds: 300 });
}

test("A10 what the store has forgotten, no cache of this process brings back", async () => {
  const clock = new TestClock();
  const inner = new MemorySessionStore({ now: clock.now, maxSessions: 10, maxBytes: 1_000_000 });
  let lost = false;
  const store: SessionStore = {
    complete: (id, session) => inner.complete(id, session),
    load: async (id) => (lost ? undefined : inner.load(id)),
    ready: () => inner.ready(),
    close: () => inner.close(),
  };
  const sessions = sessionsOver(store, clock.now);
  const { cookie, session } = sessions.open({ tee: "snp", generation: "0.4", hashAlgorithm: "sha384" });
  await sessions.complete(session, digest, "a.b.c", signal);
  expect((await sessions.token(cookie, signal))?.token).toBe("a.b.c");
  lost = true;
  expect(await sessions.token(cookie, signal)).toBeUndefined();
});

test("A10 a failure between appraisal and the store leaves no token behind the cookie", async () => {
  const clock = new TestClock();
  const inner = new MemorySessionStore({ now: clock.now, maxSessions: 10, maxBytes: 1_000_000 });
  const store: SessionStore = {
    complete: async () => {
      throw new Error("the connection broke");
    },
    load: (id) => inner.load(id),
    ready: () => inner.ready(),
    close: () => inner.close(),
  };
  const sessions = sessionsOver(store, clock.now);
  const { cookie, session } = sessions.open({ tee: "snp", generation: "0.4", hashAlgorithm: "sha384" });
  await expect(sessions.complete(session, digest, "a.b.c", signal)).rejects.toThrow();
  expect(await sessions.token(cookie, signal)).toBeUndefined();
});
