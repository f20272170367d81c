import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { VaultSession } from "../../../src/vault/session.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("a token that lives for a moment is not renewed without end", async () => {
  let renewals = 0;
  const lease = { token: "t", seconds: 0.001, renewable: true };
  const session = new VaultSession({
    login: { kind: "token", login: async () => lease },
    call: async () => {
      renewals++;
      return { auth: { client_token: "t", lease_duration: 0.001, renewable: true } };
    },
    onEvent: () => undefined,
  });
  await session.token(new AbortController().signal);
  await jest.advanceTimersByTimeAsync(499);
  expect(renewals).toBe(0);
  await jest.advanceTimersByTimeAsync(10_000);
  expect(renewals).toBeGreaterThan(10);
  expect(renewals).toBeLessThanOrEqual(21);
  session.close();
});
