import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cpuMilliseconds } from "./cpu.ts";
import type { LoadJob, LoadResult } from "./load.ts";

const LOAD = fileURLToPath(new URL("./load.ts", import.meta.url));

export interface Measured extends LoadResult {
  /** CPU of the server per completed job, in milliseconds. */
  readonly cpuPerJob: number;
}

/** Runs one job in a generator process and measures the server's CPU around it. */
export async function measure(pid: number, job: LoadJob): Promise<Measured> {
  const child = fork(LOAD, { execArgv: ["--import", "tsx"], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const message = () => new Promise<unknown>((resolve) => child.once("message", resolve));
  const exited = new Promise<never>((_, reject) =>
    child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`))),
  );
  child.send(job);
  await Promise.race([message(), exited]);
  const before = cpuMilliseconds(pid);
  child.send("go");
  // The generator is the other end of this channel, written here.
  const result = (await Promise.race([message(), exited])) as LoadResult;
  const cpuPerJob = (cpuMilliseconds(pid) - before) / result.completed;
  exited.catch(() => undefined);
  return { ...result, cpuPerJob };
}
