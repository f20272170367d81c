import { expect, test } from "@jest/globals";
import { MemorySessionStore } from "../../../src/sessions/memory-session-store.ts";

const KIB = 1024;

test("E1 a few guests with large tokens do not keep out those with usual ones, and give back what they took", async () => {
  const clock = { now: 0 };
  const store = new MemorySessionStore({ now: () => clock.now, maxSessions: 100, maxBytes: 400 * KIB });
  const complete = (id: string, bytes: number) =>
    store
      .complete(id, {
        bodyDigest: new Uint8Array(32),
        sealedToken: new Uint8Array(bytes),
        expiresAt: clock.now + 60_000,
      })
      .then(({ outcome }) => outcome);
  expect(await complete("a", 100 * KIB)).toBe("completed");
  expect(await complete("b", 100 * KIB)).toBe("completed");
  await expect(complete("c", 65 * KIB)).rejects.toMatchObject({ code: "overloaded" });
  for (const id of ["d", "e", "f"]) expect(await complete(id, 64 * KIB)).toBe("completed");
  await expect(complete("g", 64 * KIB)).rejects.toMatchObject({ code: "overloaded" });
  clock.now += 62_000;
  expect(await complete("h", 200 * KIB)).toBe("completed");
});
