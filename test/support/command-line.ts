import { runProgram } from "../../src/cli/program.ts";

export interface CommandOutcome {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

/** Runs `keywarden …` in this process. @param input - what stands on standard input */
export async function commandLine(argv: readonly string[], input = ""): Promise<CommandOutcome> {
  const out: Buffer[] = [];
  let err = "";
  const world = {
    env: {},
    now: Date.now,
    out: (data: string | Uint8Array) => {
      out.push(Buffer.from(data));
    },
    err: (text: string) => {
      err += text;
    },
    readInput: async () => Buffer.from(input),
  };
  const code = await runProgram(argv, world, "0.0.0-test");
  return { code, out: Buffer.concat(out), err };
}
