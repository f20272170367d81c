import { Command } from "commander";
import { registerEvidence } from "../../src/cli/commands/evidence.ts";

/** One line that `keywarden evidence verify --batch` prints. */
export interface BatchResult {
  readonly id: string;
  readonly verdict: string;
  readonly code?: string;
  readonly check?: string;
  readonly results?: readonly { readonly claims: Readonly<Record<string, unknown>> }[];
}

/** Runs the command over a file of requests, in this process. */
export async function runBatch(file: string): Promise<readonly BatchResult[]> {
  const out: string[] = [];
  const program = new Command("keywarden").exitOverride();
  registerEvidence(program, {
    env: {},
    now: Date.now,
    out: (data) => out.push(String(data)),
    err: () => undefined,
    readInput: async () => Buffer.alloc(0),
  });
  await program.parseAsync(["evidence", "verify", "--batch", file], { from: "user" });
  return out
    .join("")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as BatchResult);
}
