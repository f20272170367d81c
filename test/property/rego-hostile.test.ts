/**
 * Hostile policies and evidence, each in a process of its own whose heap ends at 256 MiB: every one ends in a named
 * limit or is refused, and costs less than a second of CPU time.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { HOSTILE, type HostileReport } from "../support/rego-hostile.ts";

const PROGRAM = fileURLToPath(new URL("../support/rego-hostile.ts", import.meta.url));
const HEAP = ["--max-old-space-size=256", "--import", "tsx"];
/** The heap and what Node itself takes. */
const PEAK_BYTES = 400 * 1024 * 1024;

async function run(name: string): Promise<HostileReport> {
  const child = spawn(process.execPath, [...HEAP, PROGRAM, name], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let complaint = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  await once(child, "close");
  if (output === "") throw new Error(`${name} brought the process down: ${complaint.slice(0, 500)}`);
  return JSON.parse(output);
}

describe("ends in a named limit within one second and 256 MiB", () => {
  test.each(Object.entries(HOSTILE))(
    "%s",
    async (name, { endsIn }) => {
      const report = await run(name);
      expect(endsIn).toContain(report.end);
      expect(report.cpuMilliseconds).toBeLessThan(1_000);
      expect(report.peakBytes).toBeLessThan(PEAK_BYTES);
    },
    60_000,
  );
});
