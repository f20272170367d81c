import { expect, test } from "@jest/globals";
import { serverOptions } from "../../../src/compose/listener.ts";
import { loadConfig } from "../../../src/config/load.ts";

function readers(yaml: string): string {
  const { config } = loadConfig(yaml);
  if (config === undefined) throw new Error("the configuration is good");
  return serverOptions(config, undefined).metricsFor;
}

test("E8 behind a proxy nobody counts as near, unless the operator says who may read metrics", () => {
  expect(readers("")).toBe("loopback");
  expect(readers("server: { publicUrl: https://kbs.example.org }")).toBe("nobody");
  expect(
    readers("server: { publicUrl: https://kbs.example.org, metrics: { onMainListener: everyone } }"),
  ).toBe("everyone");
});
