import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { parseResourcePath } from "../../../src/protocol/resource-path.ts";
import { FsSecretStore } from "../../../src/secrets/fs/index.ts";
import type { StorageFault } from "../../../src/storage/faults.ts";
import { compileInto } from "../../support/compiled.ts";
import { temporaryFolder } from "../../support/folder.ts";

const SIGNAL = new AbortController().signal;
const PATH = parseResourcePath(["default", "key", "crash"]);
const KILLS = 200;
/** Writers at once, each in a folder of its own. */
const LANES = 4;

interface Progress {
  begun: number;
  done: number;
}

/** Starts a writer at value `from`, kills it a random moment after it began, and says how far it came. */
async function writeUntilKilled(program: string, folder: string, from: number): Promise<Progress> {
  const child = spawn(process.execPath, [program, folder, String(from)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => Promise.reject(new Error("the writer died"))),
  ]);
  await wait(randomInt(0, 25));
  child.kill("SIGKILL");
  await Promise.all([exited, once(child.stdout, "close")]);
  return { begun: last(output, "begin") ?? from, done: last(output, "done") ?? from - 1 };
}

function last(output: string, word: string): number | undefined {
  const numbers = [...output.matchAll(new RegExp(`^${word} (\\d+)\\n`, "gm"))].map(([, number]) =>
    Number(number),
  );
  return numbers.at(-1);
}

interface Lane {
  readonly program: string;
  readonly folder: string;
  readonly kills: number;
}

/** Kills writers of one folder one after the other. @returns how many kills hit a write in progress */
async function killAndRead({ program, folder, kills }: Lane): Promise<number> {
  let previous = -1;
  let interrupted = 0;
  for (let kill = 0; kill < kills; kill++) {
    const { begun, done } = await writeUntilKilled(program, folder, previous + 1);
    const found = await readNumber(folder);
    // What was reported as written is there; at most the one that was being written may be, too. The
    // report of the last write can be lost with the process, so the value may be one further than reported.
    expect(found).toBeGreaterThanOrEqual(Math.max(done, previous));
    expect(found).toBeLessThanOrEqual(Math.max(begun + 1, previous));
    if (begun > done) interrupted++;
    previous = found;
  }
  return interrupted;
}

/** Number of the value that a fresh reader finds, whole; -1 for none. */
async function readNumber(folder: string): Promise<number> {
  const faults: StorageFault[] = [];
  const reader = await FsSecretStore.open(folder, (fault) => faults.push(fault));
  const value = await reader.get(PATH, SIGNAL);
  expect(faults).toEqual([]);
  if (value === undefined) return -1;
  const text = Buffer.from(value).toString("latin1");
  const number = Number.parseInt(text, 10);
  expect(text === String(number).padEnd(100_000, `/${number}`)).toBe(true);
  return number;
}

test(`a writer killed at ${KILLS} random points leaves the old value or the new one, whole`, async () => {
  const { path: root, dispose } = await temporaryFolder();
  const program = await compileInto(join(root, "program"), "test/support/secret-writer.ts");
  const lanes = Array.from({ length: LANES }, (_, at) => join(root, `secrets-${at}`));
  const hits = await Promise.all(
    lanes.map((folder) => killAndRead({ program, folder, kills: KILLS / LANES })),
  );
  // The kills did hit writes in progress; otherwise this test proves nothing.
  expect(hits.reduce((sum, hit) => sum + hit, 0)).toBeGreaterThan(KILLS / 4);
  await dispose();
}, 120_000);
