import { describe, expect, test } from "@jest/globals";
import { Gate } from "../../../src/http/gate.ts";

/** A promise that a test settles. */
function later<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const anySignal = () => new AbortController().signal;

describe("waiting outside", () => {
  test("E4 a place is free for others while its owner waits for something far away", async () => {
    const gate = new Gate(1, 0);
    const [hanging, order] = [later<string>(), [] as string[]];
    const signal = anySignal();
    const slow = gate.run(async () => {
      order.push(await gate.outside(signal, () => hanging.promise));
    }, signal);
    await new Promise(setImmediate);
    for (let i = 0; i < 5; i++) await gate.run(async () => order.push("quick"), anySignal());
    hanging.resolve("slow");
    await slow;
    expect(order).toEqual(["quick", "quick", "quick", "quick", "quick", "slow"]);
  });

  test("never more are inside than the bound says", async () => {
    const gate = new Gate(2, 100);
    let [inside, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
    };
    const guest = async () => {
      const signal = anySignal();
      await gate.run(async () => {
        await work();
        await gate.outside(signal, () => new Promise(setImmediate));
        await work();
      }, signal);
    };
    await Promise.all(Array.from({ length: 50 }, guest));
    expect(most).toBe(2);
    // Every place was given back.
    await Promise.all([gate.run(work, anySignal()), gate.run(work, anySignal())]);
  });

  test("whoever comes back goes before those who have not begun", async () => {
    const gate = new Gate(1, 10);
    const [far, busy, order] = [later<void>(), later<void>(), [] as string[]];
    const signal = anySignal();
    const first = gate.run(async () => {
      await gate.outside(signal, () => far.promise);
      order.push("back");
    }, signal);
    const second = gate.run(() => busy.promise, anySignal());
    await new Promise(setImmediate);
    const third = gate.run(async () => order.push("new"), anySignal());
    far.resolve();
    await new Promise(setImmediate);
    busy.resolve();
    await Promise.all([first, second, third]);
    expect(order).toEqual(["back", "new"]);
  });

  test("a wait that fails says so, and its owner is inside again", async () => {
    const gate = new Gate(1, 0);
    const signal = anySignal();
    await gate.run(async () => {
      await expect(gate.outside(signal, () => Promise.reject(new Error("far away")))).rejects.toThrow(
        "far away",
      );
      await expect(gate.run(async () => "in", anySignal())).rejects.toMatchObject({ code: "overloaded" });
    }, signal);
    expect(await gate.run(async () => "free", anySignal())).toBe("free");
  });

  test("a deadline that comes before the place is free again ends the request, and no place is lost", async () => {
    const gate = new Gate(1, 10);
    const controller = new AbortController();
    const [far, busy] = [later<void>(), later<void>()];
    const { signal } = controller;
    const first = gate.run(() => gate.outside(signal, () => far.promise), signal);
    const second = gate.run(() => busy.promise, anySignal());
    await new Promise(setImmediate);
    far.resolve();
    await new Promise(setImmediate);
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: "overloaded" });
    await expect(gate.run(async () => "in", AbortSignal.abort())).rejects.toMatchObject({
      code: "overloaded",
    });
    busy.resolve();
    await second;
    expect(await gate.run(async () => "free", anySignal())).toBe("free");
  });

  test("no more wait outside than may be inside and in the queue together", async () => {
    const gate = new Gate(1, 2);
    const far = later<string>();
    const guest = () => {
      const signal = anySignal();
      return gate.run(() => gate.outside(signal, () => far.promise), signal);
    };
    const waiting: Promise<string>[] = [];
    for (let i = 0; i < 3; i++) {
      waiting.push(guest());
      await new Promise(setImmediate);
    }
    await expect(guest()).rejects.toMatchObject({ code: "overloaded" });
    // Who needs nothing from far away is served all the same.
    expect(await gate.run(async () => "near", anySignal())).toBe("near");
    far.resolve("there");
    expect(await Promise.all(waiting)).toEqual(["there", "there", "there"]);
    expect(await guest()).toBe("there");
  });

  test("who is not inside simply waits", async () => {
    expect(await new Gate(1, 0).outside(anySignal(), async () => "answer")).toBe("answer");
  });
});
