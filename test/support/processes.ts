import { type ChildProcess, spawn } from "node:child_process";

/** How a process ended, and what it said on both of its outputs. */
export interface Finished {
  readonly code: number;
  readonly said: string;
}

/** A process that runs, and everything that it has said so far. */
export interface Running {
  readonly child: ChildProcess;
  said(): string;
  readonly ended: Promise<Finished>;
  /** Ends it and whatever it started, if it has not ended by itself. */
  kill(): Promise<void>;
}

/** Starts a program; its end is no error, whatever its exit code. */
export function running(program: string, words: readonly string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(program, words, {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let text = "";
  const add = (part: Buffer) => {
    text += part.toString();
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  const ended = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 128, said: text }));
  });
  const kill = async () => {
    try {
      // Its process group: it leads one of its own.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nobody is left in it.
    }
    await ended.catch(() => undefined);
  };
  return { child, said: () => text, ended, kill };
}

/** Runs a program to its end. */
export function finished(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Finished> {
  return running(program, words, env).ended;
}

/** Waits for what must come; the limit only ends a test that has failed. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  limitMs = 60_000,
): Promise<T> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("waited in vain");
}
