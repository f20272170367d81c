import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { KbsError } from "../../../src/errors.ts";
import { MemorySessionStore } from "../../../src/sessions/memory-session-store.ts";
import { KeyRing } from "../../../src/sessions/seal.ts";
import {
  decodeSession,
  encodeSession,
  nonceEquals,
  textNonce,
} from "../../../src/sessions/session-record.ts";
import { type SessionRequest, Sessions } from "../../../src/sessions/sessions.ts";
import { TestClock } from "../../support/clock.ts";

const LIFETIME_SECONDS = 300;
const signal = new AbortController().signal;
const snp: SessionRequest = { tee: "snp", generation: "0.4", hashAlgorithm: "sha384" };
const digest = (body: string) => createHash("sha256").update(body).digest();

function setUp(maxSessions = 100) {
  const clock = new TestClock();
  const store = new MemorySessionStore({ now: clock.now, maxSessions, maxBytes: 1_000_000 });
  const keys = new KeyRing([randomBytes(32)]);
  const sessions = new Sessions({
    keys,
    store,
    now: clock.now,
    random: randomBytes,
    lifetimeSeconds: LIFETIME_SECONDS,
  });
  return { clock, store, keys, sessions };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KbsError) return error.code;
    throw error;
  }
  return "no error";
}

async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: unknown) => (error instanceof KbsError ? error.code : String(error)),
  );
}

describe("sessions", () => {
  test("A1 10,000 challenges are distinct and of 256 bits", () => {
    const { sessions } = setUp();
    const nonces = new Set(Array.from({ length: 10_000 }, () => sessions.open(snp).nonce));
    expect(nonces.size).toBe(10_000);
    for (const nonce of nonces) expect(Buffer.from(nonce, "base64")).toHaveLength(32);
  });

  test("brings back what was opened", () => {
    const { sessions } = setUp();
    const opened = sessions.open({ tee: "se", generation: "0.2", hashAlgorithm: "sha512" });
    const loaded = sessions.load(opened.cookie);
    expect(loaded).toMatchObject({
      tee: "se",
      generation: "0.2",
      hashAlgorithm: "sha512",
      id: opened.session.id,
    });
    expect(sessions.checkNonce(loaded, opened.nonce)).toBe(opened.nonce);
  });

  test("E1 opening keeps nothing on the server", () => {
    const { sessions, store } = setUp(1);
    for (let count = 0; count < 1000; count++) sessions.open(snp);
    expect(store.size).toBe(0);
  });

  test.each([
    ["none", undefined],
    ["empty", ""],
    ["a plain id", "0".repeat(32)],
    ["not base64url", "ab+/="],
    ["too long", "A".repeat(5000)],
  ])("refuses a cookie that is %s", (_, cookie) => {
    expect(codeOf(() => setUp().sessions.load(cookie))).toBe("session-unknown");
  });

  test("refuses a cookie of another server", () => {
    expect(codeOf(() => setUp().sessions.load(setUp().sessions.open(snp).cookie))).toBe("session-unknown");
  });

  test("A11 is usable exactly until it expires", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 * LIFETIME_SECONDS * 1000 }), (elapsed) => {
        const { sessions, clock } = setUp();
        const { cookie } = sessions.open(snp);
        clock.advance(elapsed);
        const code = codeOf(() => sessions.load(cookie));
        expect(code).toBe(elapsed < LIFETIME_SECONDS * 1000 ? "no error" : "session-unknown");
      }),
      { numRuns: 200 },
    );
  });

  test("E12 a session from the future is refused: the clock ran backwards", () => {
    const { sessions, clock } = setUp();
    const { cookie } = sessions.open(snp);
    clock.advance(-61_000);
    expect(codeOf(() => sessions.load(cookie))).toBe("session-unknown");
  });

  test("A2 another session's nonce is refused and the session stays usable", () => {
    const { sessions } = setUp();
    const [one, other] = [sessions.open(snp), sessions.open(snp)];
    const session = sessions.load(one.cookie);
    expect(codeOf(() => sessions.checkNonce(session, other.nonce))).toBe("handshake-refused");
    expect(sessions.checkNonce(session, one.nonce)).toBe(one.nonce);
  });

  test("A15 the current generation must send its nonce, older ones cannot", () => {
    const { sessions } = setUp();
    const current = sessions.open(snp);
    expect(codeOf(() => sessions.checkNonce(current.session, undefined))).toBe("handshake-refused");
    const older = sessions.open({ ...snp, generation: "0.2" });
    expect(sessions.checkNonce(sessions.load(older.cookie), undefined)).toBe(older.nonce);
  });

  test.each([
    ["short", "{}"],
    ["long", `{"a":"${"x".repeat(20_000)}"}`],
  ])("carries a %s challenge made by a verifier", (_, nonce) => {
    const { sessions } = setUp();
    const opened = sessions.open({ ...snp, tee: "se", nonce });
    expect(opened.nonce).toBe(nonce);
    expect(opened.cookie.length).toBeLessThan(3_900);
    const session = sessions.load(opened.cookie);
    expect(sessions.checkNonce(session, nonce)).toBe(nonce);
    expect(codeOf(() => sessions.checkNonce(session, `${nonce} `))).toBe("handshake-refused");
  });

  test("A5 an ended session answers only the request that ended it", async () => {
    const { sessions } = setUp();
    const session = sessions.load(sessions.open(snp).cookie);
    expect(await sessions.repeated(session, digest("a"), signal)).toBeUndefined();
    expect(await sessions.complete(session, digest("a"), "token a", signal)).toBe("token a");
    expect(await sessions.repeated(session, digest("a"), signal)).toBe("token a");
    expect(await rejectionOf(sessions.repeated(session, digest("b"), signal))).toBe("session-completed");
  });

  test("A4 of two at once with different evidence one wins, with the same evidence both get its token", async () => {
    const { sessions } = setUp();
    const session = sessions.load(sessions.open(snp).cookie);
    const outcomes = await Promise.allSettled([
      sessions.complete(session, digest("a"), "token a", signal),
      sessions.complete(session, digest("b"), "token b", signal),
      sessions.complete(session, digest("a"), "token a, issued again", signal),
    ]);
    expect(outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : "refused"))).toEqual([
      "token a",
      "refused",
      "token a",
    ]);
  });

  test("a session that ran out during appraisal is not entered", async () => {
    const { sessions, clock, store } = setUp();
    const session = sessions.load(sessions.open(snp).cookie);
    clock.advance(LIFETIME_SECONDS * 1000);
    expect(await rejectionOf(sessions.complete(session, digest("a"), "token", signal))).toBe(
      "session-unknown",
    );
    expect(store.size).toBe(0);
  });

  test("A3 the nonce stays consumed for as long as its cookie opens", async () => {
    const { sessions, clock } = setUp();
    const { cookie } = sessions.open(snp);
    await sessions.complete(sessions.load(cookie), digest("a"), "token", signal);
    clock.advance(LIFETIME_SECONDS * 1000 - 1);
    const session = sessions.load(cookie);
    expect(await rejectionOf(sessions.complete(session, digest("b"), "other", signal))).toBe(
      "session-completed",
    );
  });

  test("gives the token to the cookie of an attested session only", async () => {
    const { sessions, clock } = setUp();
    const { cookie } = sessions.open(snp);
    expect(await sessions.token(cookie, signal)).toBeUndefined();
    await sessions.complete(sessions.load(cookie), digest("a"), "the token", signal);
    expect((await sessions.token(cookie, signal))?.token).toBe("the token");
    expect(await sessions.token(`${cookie.slice(0, -2)}AA`, signal)).toBeUndefined();
    clock.advance(LIFETIME_SECONDS * 1000);
    expect(await sessions.token(cookie, signal)).toBeUndefined();
  });

  test("A8 the store holds no usable token", async () => {
    const { sessions, store } = setUp();
    const session = sessions.load(sessions.open(snp).cookie);
    await sessions.complete(session, digest("a"), "header.payload.signature", signal);
    const stored = await store.load(session.id);
    expect(Buffer.from(stored?.sealedToken ?? []).toString("latin1")).not.toContain("payload");
  });

  test("A11 what was opened a moment ago expires like any other, and a dropped record takes its token along", async () => {
    const { sessions, store, clock } = setUp();
    const { cookie, session } = sessions.open(snp);
    await sessions.complete(session, digest("a"), "the token", signal);
    expect((await sessions.token(cookie, signal))?.token).toBe("the token");
    await store.close();
    expect(await sessions.token(cookie, signal)).toBeUndefined();
    clock.advance(LIFETIME_SECONDS * 1000);
    expect(codeOf(() => sessions.load(cookie))).toBe("session-unknown");
  });

  test("cookies pushed out of memory by a flood still open", () => {
    const { sessions } = setUp();
    const first = sessions.open(snp);
    for (let count = 0; count < 5_000; count++) sessions.open(snp);
    expect(sessions.load(first.cookie)).toEqual({ ...first.session, nonce: expect.anything() });
    expect(sessions.checkNonce(sessions.load(first.cookie), first.nonce)).toBe(first.nonce);
  });

  test("E1 a full table refuses a new session and keeps the ones it has", async () => {
    const { sessions, clock } = setUp(1);
    const first = sessions.open(snp);
    await sessions.complete(first.session, digest("a"), "first", signal);
    const second = sessions.open(snp);
    expect(await rejectionOf(sessions.complete(second.session, digest("b"), "second", signal))).toBe(
      "overloaded",
    );
    expect((await sessions.token(first.cookie, signal))?.token).toBe("first");
    clock.advance((LIFETIME_SECONDS + 2) * 1000);
    const third = sessions.open(snp);
    expect(await sessions.complete(third.session, digest("c"), "third", signal)).toBe("third");
  });

  test("no bytes crash the record reader, and printing what it read gives the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const session = decodeSession(Buffer.from(bytes));
        if (session !== undefined && session.nonce.kind !== "text")
          expect(encodeSession(session)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test("compares nonces as text, not as decoded bytes", () => {
    expect(nonceEquals(textNonce("AA=="), "AB==")).toBe(false);
  });
});

test("AS-097 the policy that the guest chose comes back with the session, and none when it chose none", () => {
  const { sessions } = setUp();
  const chosen = sessions.open({ ...snp, policyId: "team-a/strict" });
  expect(decodeSession(encodeSession(chosen.session))).toEqual(chosen.session);
  expect(sessions.load(chosen.cookie).policyId).toBe("team-a/strict");
  const plain = sessions.open(snp);
  expect(encodeSession(plain.session)[0]).toBe(1);
  expect(decodeSession(encodeSession(plain.session))).toEqual(plain.session);
  for (const policyId of ["", "x".repeat(201)])
    expect(() => encodeSession({ ...plain.session, policyId })).toThrow(RangeError);
});
