import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { Deadlines } from "../../../src/http/deadlines.ts";

describe("deadlines", () => {
  let now = 0;
  const pass = (milliseconds: number) => {
    now += milliseconds;
    jest.advanceTimersByTime(milliseconds);
  };
  const expired: string[] = [];
  const due = (name: string, length: number) => ({
    dueAt: now + length,
    expire: () => void expired.push(name),
  });
  beforeEach(() => {
    jest.useFakeTimers();
    now = 0;
    expired.length = 0;
  });
  afterEach(() => void jest.useRealTimers());

  test("expire in the order in which they began, none too early", () => {
    const deadlines = new Deadlines(1_000, () => now);
    deadlines.add(due("a", 1_000));
    pass(500);
    deadlines.add(due("b", 1_000));
    pass(499);
    expect(expired).toEqual([]);
    pass(251);
    expect(expired).toEqual(["a"]);
    pass(500);
    expect(expired).toEqual(["a", "b"]);
    deadlines.stop();
  });

  test("what ended in time does not expire", () => {
    const deadlines = new Deadlines(1_000, () => now);
    const ended = due("a", 1_000);
    deadlines.add(ended);
    deadlines.remove(ended);
    pass(5_000);
    expect(expired).toEqual([]);
    deadlines.stop();
  });
});
