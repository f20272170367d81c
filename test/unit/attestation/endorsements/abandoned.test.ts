import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { TransferError } from "../../../../src/attestation/endorsements/https-get.ts";
import { awaited, Upstream } from "../../../../src/attestation/endorsements/upstream.ts";
import { Gate } from "../../../../src/http/gate.ts";

/**
 * Requests whose guest has gone, or could not wait, leave work behind that may fail later. Node ends a process in which
 * such a failure has nobody to hear it, so that one vendor's bad minute would end the broker for everybody.
 */
let unheard: unknown[];
const hear = (reason: unknown) => unheard.push(reason);

beforeEach(() => {
  unheard = [];
  process.on("unhandledRejection", hear);
});

afterEach(() => {
  process.off("unhandledRejection", hear);
});

/** Node tells of unheard failures after all work that is due. */
const settled = async () => {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
};

const LIMITS = {
  maxBytes: 100,
  timeoutMilliseconds: 1000,
  maxConcurrent: 1,
  maxWaiting: 1,
  negativeCacheMilliseconds: 60_000,
};
const down = async () => {
  throw new TransferError("no answer");
};
const UNAVAILABLE = { code: "collateral-unavailable" };

describe("E4 B30 a failure that nobody waits for does not end the process", () => {
  test("of a service that is remembered to be down, asked for a request that has ended", async () => {
    const service = new Upstream("the service", "http://127.0.0.1:1", LIMITS, {
      httpGet: down,
      now: () => 0,
    });
    await expect(service.get("/a", new AbortController().signal)).rejects.toMatchObject(UNAVAILABLE);
    await expect(service.get("/a", AbortSignal.abort())).rejects.toMatchObject(UNAVAILABLE);
    await settled();
    expect(unheard).toEqual([]);
  });

  test("of requests that could not wait any more, because too many did", async () => {
    const gate = new Gate(1, 0);
    const world = {
      whileWaiting: <T>(signal: AbortSignal, wait: () => Promise<T>) => gate.outside(signal, wait),
    };
    const fail: (() => void)[] = [];
    const guest = () => {
      const { signal } = new AbortController();
      const asked = new Promise<never>((_, reject) => fail.push(() => reject(new Error("down"))));
      return gate.run(() => awaited(asked, signal, "the service", world), signal);
    };
    const first = guest();
    await settled();
    await expect(guest()).rejects.toMatchObject({ code: "overloaded" });
    for (const one of fail) one();
    await expect(first).rejects.toThrow("down");
    await settled();
    expect(unheard).toEqual([]);
  });
});
