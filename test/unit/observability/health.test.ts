import { describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import { Health } from "../../../src/observability/health.ts";

const fine = { name: "fine", check: async () => undefined };

describe("health", () => {
  test("is ready when every probe is", async () => {
    expect(await new Health({ probes: [fine] }).report()).toEqual({
      ready: true,
      checks: [{ name: "fine", ready: true, detail: "ready" }],
    });
  });

  test("says which probe is not ready, and shows public details only", async () => {
    const failures: string[] = [];
    const health = new Health({
      probes: [
        fine,
        { name: "store", check: () => Promise.reject(new KbsError("storage-unavailable", "Disk is full.")) },
        { name: "audit", check: () => Promise.reject(new Error("postgres://user:password@db")) },
      ],
      onFailure: (name) => failures.push(name),
    });
    expect(await health.report()).toEqual({
      ready: false,
      checks: [
        { name: "fine", ready: true, detail: "ready" },
        { name: "store", ready: false, detail: "Disk is full." },
        { name: "audit", ready: false, detail: "not ready" },
      ],
    });
    expect(failures.sort()).toEqual(["audit", "store"]);
  });

  test("E4 a probe that hangs is not ready, and does not hang the answer", async () => {
    let aborted = false;
    const health = new Health({
      probes: [
        {
          name: "hung",
          check: (signal) => {
            signal.addEventListener("abort", () => {
              aborted = true;
            });
            return new Promise(() => undefined);
          },
        },
      ],
      deadlineMilliseconds: 5,
    });
    expect(await health.report()).toMatchObject({ ready: false });
    expect(aborted).toBe(true);
  });

  test("questions at the same time share one round of probes", async () => {
    let asked = 0;
    const health = new Health({
      probes: [
        {
          name: "counted",
          check: async () => {
            asked++;
          },
        },
      ],
    });
    await Promise.all([health.report(), health.report(), health.report()]);
    expect(asked).toBe(1);
  });

  test("is not ready once draining, whatever the probes say", async () => {
    const health = new Health({ probes: [fine] });
    health.startDraining();
    expect(await health.report()).toMatchObject({ ready: false });
  });
});
