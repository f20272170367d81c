import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { KbsError } from "../../../src/errors.ts";
import { Gate } from "../../../src/http/gate.ts";
import { RateLimiter } from "../../../src/http/rate-limit.ts";

function limiter(options: Partial<{ perSecond: number; burst: number; maxPrefixes: number }> = {}) {
  const time = { now: 0 };
  const monotonic = () => time.now;
  return { time, rate: new RateLimiter({ perSecond: 1, burst: 3, maxPrefixes: 4, monotonic, ...options }) };
}

describe("rate limiter", () => {
  test("lets a burst through and then the rate", () => {
    const { rate, time } = limiter();
    expect([1, 2, 3, 4].map(() => rate.allow("a"))).toEqual([true, true, true, false]);
    time.now = 999;
    expect(rate.allow("a")).toBe(false);
    time.now = 2_000;
    expect([1, 2, 3].map(() => rate.allow("a"))).toEqual([true, true, false]);
  });

  test("prefixes do not pay for one another", () => {
    const { rate } = limiter();
    for (let count = 0; count < 10; count++) rate.allow("a");
    expect(rate.allow("b")).toBe(true);
  });

  test("E2 a full table refuses a new prefix and forgets nobody who still pays", () => {
    const { rate } = limiter();
    for (const prefix of ["a", "b", "c", "d"]) for (let count = 0; count < 4; count++) rate.allow(prefix);
    for (let flood = 0; flood < 1000; flood++) expect(rate.allow(`flood ${flood}`)).toBe(false);
    expect(rate.size).toBe(4);
    expect(["a", "b", "c", "d"].map((prefix) => rate.allow(prefix))).toEqual([false, false, false, false]);
  });

  test("E2 prefixes that were quiet until their bucket was full make room", () => {
    const { rate, time } = limiter();
    for (const prefix of ["a", "b", "c", "d"]) rate.allow(prefix);
    expect(rate.allow("e")).toBe(false);
    time.now = 1_000;
    expect(rate.allow("e")).toBe(true);
  });

  test("E2 no schedule gets more than burst and rate allow", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 300 }), (pauses) => {
        const { rate, time } = limiter({ perSecond: 2, burst: 5 });
        let allowed = 0;
        for (const pause of pauses) {
          time.now += pause;
          if (rate.allow("a")) allowed++;
        }
        expect(allowed).toBeLessThanOrEqual(5 + (time.now / 1000) * 2 + 1e-6);
      }),
    );
  });

  test("E2 the table never holds more than it may, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(3_000))), (requests) => {
        const { rate, time } = limiter();
        for (const [prefix, pause] of requests) {
          time.now += pause;
          rate.allow(String(prefix));
          expect(rate.size).toBeLessThanOrEqual(4);
        }
      }),
    );
  });
});

describe("gate", () => {
  const never = new AbortController().signal;
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => "done",
      (error: unknown) => (error instanceof KbsError ? error.code : String(error)),
    );

  function task() {
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    return { run: () => finished, finish };
  }

  test("runs as many as allowed, lets as many wait as allowed, and refuses the rest", async () => {
    const gate = new Gate(1, 1);
    const [first, second] = [task(), task()];
    const running = code(gate.run(first.run, never));
    const waiting = code(gate.run(second.run, never));
    expect(await code(gate.run(async () => undefined, never))).toBe("overloaded");
    first.finish();
    second.finish();
    expect(await Promise.all([running, waiting])).toEqual(["done", "done"]);
    expect(await code(gate.run(async () => undefined, never))).toBe("done");
  });

  test("who waits gives up at the deadline, and those behind move up", async () => {
    const gate = new Gate(1, 2);
    const first = task();
    const running = code(gate.run(first.run, never));
    const deadline = new AbortController();
    const impatient = code(gate.run(async () => undefined, deadline.signal));
    const patient = code(gate.run(async () => undefined, never));
    deadline.abort();
    expect(await impatient).toBe("overloaded");
    first.finish();
    expect(await Promise.all([running, patient])).toEqual(["done", "done"]);
  });

  test("a task that fails gives its place on", async () => {
    const gate = new Gate(1, 0);
    expect(await code(gate.run(() => Promise.reject(new TypeError("x")), never))).toBe("TypeError: x");
    expect(await code(gate.run(async () => undefined, never))).toBe("done");
  });

  test("never more at once than allowed, whatever comes and leaves", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.nat(5), { maxLength: 12 }),
        async (s, max, pauses) => {
          const gate = new Gate(max, 100);
          let running = 0;
          const all = pauses.map((_, index) =>
            gate.run(async () => {
              running++;
              expect(running).toBeLessThanOrEqual(max);
              await s.schedule(Promise.resolve(), `task ${index}`);
              running--;
            }, never),
          );
          await s.waitFor(Promise.all(all));
          expect(running).toBe(0);
        },
      ),
    );
  });
});
