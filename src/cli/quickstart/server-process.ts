import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** Asks it to end and waits. @returns its exit code */
  stop(): Promise<number>;
  /** Ends it at once, for a process that is itself about to end. */
  kill(): void;
}

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;
const POLL_MS = 50;

/**
 * Starts `keywarden serve` as a process of its own and waits until it listens.
 *
 * @param files - the configuration, where readiness is to be told, and where its log goes
 * @throws Error with the end of the log when it does not come up
 */
export async function startServerProcess(files: {
  readonly config: string;
  readonly ready: string;
  readonly log: string;
}): Promise<ServerProcess> {
  const log = await open(files.log, "a", 0o600);
  const child = spawn(
    process.execPath,
    [...process.execArgv, entryPoint(), "serve", "--config", files.config, "--ready-file", files.ready],
    { stdio: ["ignore", log.fd, log.fd] },
  );
  await log.close();
  const exited = exitOf(child);
  try {
    const { url, pid } = await untilReady(files.ready, exited);
    return { url, pid, stop: () => stopProcess(child, exited), kill: () => child.kill("SIGKILL") };
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error instanceof Error ? error.message : "no start"}\n${tail(files.log)}`);
  }
}

/** The command line beside this file: compiled, or under a loader of TypeScript. */
function entryPoint(): string {
  return fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url),
  );
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 128));
  });
}

async function untilReady(file: string, exited: Promise<number>): Promise<{ url: string; pid: number }> {
  let ended: number | undefined;
  exited.then(
    (code) => {
      ended = code;
    },
    () => {
      ended = -1;
    },
  );
  const deadline = Date.now() + START_DEADLINE_MS;
  while (ended === undefined && Date.now() < deadline) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    // The file appears whole (it is renamed into place) and this program wrote it.
    if (text !== undefined) return JSON.parse(text) as { url: string; pid: number };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(
    ended === undefined ? "The server did not start in time." : `The server ended with ${ended}.`,
  );
}

async function stopProcess(child: ChildProcess, exited: Promise<number>): Promise<number> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
  try {
    return await exited;
  } finally {
    clearTimeout(timer);
  }
}

function tail(file: string): string {
  return readFileSync(file, "utf8").split("\n").slice(-15).join("\n");
}
