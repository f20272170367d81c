import { expect, test } from "@jest/globals";
import { openState } from "../../../src/compose/state.ts";
import type { World } from "../../../src/compose/world.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Logger } from "../../../src/observability/logger.ts";
import { createMetrics } from "../../../src/observability/metrics.ts";
import { temporaryFolder } from "../../support/folder.ts";

const signal = new AbortController().signal;

test("AS-028 a start tells which stored appraisal policies differ from the shipped ones, and no others", async () => {
  const { path, dispose } = await temporaryFolder();
  try {
    const lines: object[] = [];
    const note = (line: object) => void lines.push(line);
    // Nothing but these two is called when a state is opened.
    const log = { info: note, warn: note, error: note, debug: () => undefined } as unknown as Logger;
    const { config } = loadConfig(`dataDirectory: ${path}`);
    if (config === undefined) throw new Error("the configuration is good");
    const world: World = {
      env: {},
      now: () => Date.parse("2026-06-01T00:00:00Z"),
      monotonic: () => 0,
      clockBehindMilliseconds: () => 0,
      log,
      version: "0",
      startSignal: signal,
    };
    const metrics = createMetrics({ version: "", gitHash: "", buildDate: "" }, () => 0);
    const first = await openState(config, world, metrics);
    const differs = () =>
      lines.filter((line) => "event" in line && line.event === "policy-differs-from-shipped");
    expect(differs()).toEqual([]);
    const own = 'package policy\n\ntrust_claims := {"hardware": 2}\n';
    await first.policies.put("default_gpu", own, "alice", signal);
    await first.policies.put("mine_cpu", own, "alice", signal);
    await first.policies.put("resource-policy", "package policy\n\nallow := false\n", "alice", signal);
    await openState(config, world, metrics);
    expect(differs()).toEqual([
      expect.objectContaining({
        policy: "default_gpu",
        by: "alice",
        at: "2026-06-01T00:00:00.000Z",
        shippedChangedSince: "no",
        detail: expect.stringContaining("keywarden policy diff"),
      }),
    ]);
  } finally {
    await dispose();
  }
});
