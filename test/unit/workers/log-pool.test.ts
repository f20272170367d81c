import { afterEach, describe, expect, test } from "@jest/globals";
import { EventLogError, parseEventLog, replay } from "../../../src/attestation/formats/eventlog/index.ts";
import { ImaPolicyError } from "../../../src/attestation/formats/ima/index.ts";
import { LogPool, type LogPoolOptions } from "../../../src/workers/log-pool.ts";
import { agileLog, secureBoot, separator, type WrittenEvent } from "../../support/event-logs.ts";

const signal = new AbortController().signal;
const BOOT: readonly WrittenEvent[] = [secureBoot(true), separator(7)];
const bytes = agileLog(["sha256"], BOOT);
const quoted = replay(parseEventLog(bytes), "sha256");
const job = { bytes, quoted, algorithm: "sha256", kind: "pcr" } as const;
/** Long enough to be under way when it is given up. */
const LONG = agileLog(
  ["sha256"],
  Array.from({ length: 50_000 }, () => separator(7)),
);
const long = { ...job, bytes: LONG };

const open: LogPool[] = [];
function pool(options: LogPoolOptions = {}): LogPool {
  const made = new LogPool({ inlineBytes: 0, deadlineMilliseconds: 25_000, ...options });
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

describe("threads that appraise logs", () => {
  test("say what the same appraisal says on this thread", async () => {
    const there = await pool().eventLog(job, signal);
    const here = await pool({ inlineBytes: 1 << 20 }).eventLog(job, signal);
    expect(there.ok).toBe(true);
    expect(there.claims).toEqual(here.claims);
    expect([...there.states]).toEqual([...here.states]);
    expect(there.mismatches).toEqual(here.mismatches);
  });

  test("name mismatches", async () => {
    const wrong = new Map([[7, Buffer.alloc(32, 1)]]);
    const report = await pool().eventLog({ ...job, quoted: wrong }, signal);
    expect(report).toMatchObject({ ok: false, claims: {}, mismatches: [{ register: 7 }] });
  });

  test("do not take the caller's bytes away", async () => {
    const threads = pool();
    await threads.eventLog(job, signal);
    expect((await threads.eventLog(job, signal)).ok).toBe(true);
    expect(bytes.length).toBeGreaterThan(100);
  });

  test("carry errors with their class and place", async () => {
    const cut = bytes.subarray(0, bytes.length - 1);
    const error = await pool()
      .eventLog({ ...job, bytes: cut }, signal)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EventLogError);
    expect((error as EventLogError).position).toBeGreaterThan(0);
    const ima = {
      bytes: Buffer.from(`10 ${"0".repeat(40)} ima-ng sha1:${"0".repeat(40)} /a\n`),
      quoted: Buffer.alloc(32),
      algorithm: "sha256",
    } as const;
    await expect(pool().ima({ ...ima, policy: Buffer.from("{") }, signal)).rejects.toBeInstanceOf(
      ImaPolicyError,
    );
  });

  test("give a log up when its time is over, and go on with the next", async () => {
    const threads = pool({ deadlineMilliseconds: 1 });
    await expect(threads.eventLog(long, signal)).rejects.toBeInstanceOf(EventLogError);
    await expect(threads.eventLog(long, signal)).rejects.toThrow("takes longer than 1 ms");
  });

  test("give a log up when the caller does", async () => {
    const threads = pool();
    const caller = new AbortController();
    const under = threads.eventLog(long, caller.signal);
    const waiting = threads.eventLog(job, signal);
    caller.abort(new Error("gone"));
    await expect(under).rejects.toThrow("gone");
    expect((await waiting).ok).toBe(true);
    await expect(threads.eventLog(job, caller.signal)).rejects.toThrow("gone");
  });

  test("forget a log that waits when its caller goes", async () => {
    const threads = pool();
    const caller = new AbortController();
    const first = threads.eventLog(job, signal);
    const waiting = threads.eventLog(job, caller.signal);
    caller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    expect((await first).ok).toBe(true);
  });

  test("refuse more than may wait", async () => {
    const threads = pool({ maxWaiting: 1 });
    const under = threads.eventLog(job, signal);
    const waiting = threads.eventLog(job, signal);
    await expect(threads.eventLog(job, signal)).rejects.toMatchObject({ code: "overloaded" });
    expect((await under).ok && (await waiting).ok).toBe(true);
  });

  test("reject what is under way when they are closed", async () => {
    const threads = pool();
    const under = threads.eventLog(long, signal);
    const waiting = threads.eventLog(job, signal);
    const ended = Promise.allSettled([under, waiting]);
    await threads.close();
    for (const { status } of await ended) expect(status).toBe("rejected");
    await expect(threads.eventLog(job, signal)).rejects.toMatchObject({ code: "overloaded" });
  });
});
