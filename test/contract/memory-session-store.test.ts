import { MemorySessionStore } from "../../src/sessions/memory-session-store.ts";
import { sessionStoreContract } from "./session-store.ts";

sessionStoreContract("memory", async () => {
  let now = Date.UTC(2026, 5, 1);
  const store = new MemorySessionStore({ now: () => now, maxSessions: 1000, maxBytes: 1_000_000 });
  return {
    store,
    replica: store,
    now: () => now,
    advance: async (milliseconds) => {
      now += milliseconds;
    },
    close: () => store.close(),
  };
});
