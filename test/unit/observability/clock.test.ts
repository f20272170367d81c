import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { guardClock } from "../../../src/observability/clock.ts";

function setUp() {
  const time = { wall: 1_000_000, monotonic: 500 };
  const steps: number[] = [];
  const clock = guardClock({
    wall: () => time.wall,
    monotonic: () => time.monotonic,
    onStepBack: (behind) => steps.push(behind),
  });
  const pass = (milliseconds: number) => {
    time.wall += milliseconds;
    time.monotonic += milliseconds;
  };
  return { time, steps, clock, pass };
}

describe("guarded clock", () => {
  test("shows the wall clock while nothing is odd", () => {
    const { clock, pass, time, steps } = setUp();
    pass(12_345);
    expect(clock.now()).toBe(time.wall);
    expect(clock.behindMilliseconds()).toBe(0);
    expect(steps).toEqual([]);
  });

  test("E12 a step back raises one alarm and time goes on", () => {
    const { clock, pass, time, steps } = setUp();
    pass(10_000);
    const before = clock.now();
    time.wall -= 3_600_000;
    pass(5_000);
    expect(clock.now()).toBe(before + 5_000);
    expect(clock.behindMilliseconds()).toBe(3_600_000);
    expect(steps).toEqual([3_600_000]);
  });

  test("E12 many small steps back cannot hold time", () => {
    const { clock, pass, time, steps } = setUp();
    const before = clock.now();
    for (let step = 0; step < 100; step++) {
      pass(1_000);
      time.wall -= 1_000;
      clock.now();
    }
    expect(clock.now()).toBe(before + 100_000);
    expect(steps).toHaveLength(1);
  });

  test("E12 a step forward is believed, and the way back is an alarm", () => {
    const { clock, time, steps } = setUp();
    time.wall += 3_600_000;
    expect(clock.now()).toBe(time.wall);
    time.wall -= 3_600_000;
    expect(clock.now()).toBe(time.wall + 3_600_000);
    expect(steps).toHaveLength(1);
  });

  test("E12 never runs backwards, whatever the wall clock does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: -9e6, max: 9e6 }))),
        (moves) => {
          const { clock, pass, time } = setUp();
          let latest = clock.now();
          for (const [passed, step] of moves) {
            pass(passed);
            time.wall += step;
            const shown = clock.now();
            expect(shown).toBeGreaterThanOrEqual(latest);
            latest = shown;
          }
        },
      ),
    );
  });
});
