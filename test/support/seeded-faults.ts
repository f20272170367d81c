/** Faults put into a copy of the source one by one, each of which tests have to notice. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

export interface Mutant {
  /** What goes wrong, as an administrator would find it. */
  readonly name: string;
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Also tried in the short form. */
  readonly short?: true;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FULL = process.env["KEYWARDEN_FULL"] === "1";
const LONG = 180_000;

interface Summary {
  readonly numFailedTests: number;
  readonly numPassedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

/**
 * A suite over the faults: `KEYWARDEN_FULL=1` tries all of them, else those marked as short.
 *
 * @param tests - files or folders of the tests that have to notice
 */
export function seededFaults(name: string, mutants: readonly Mutant[], tests: readonly string[]): void {
  const chosen = FULL ? mutants : mutants.filter(({ short }) => short === true);
  let folder = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "keywarden-mutants-"));
    for (const part of ["src", "test", "policies", "package.json", "jest.config.js"]) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  }, LONG);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe(name, () => {
    test(
      "without a fault all tests pass",
      async () => {
        const summary = await run(folder, tests);
        expect(summary).toMatchObject({ numFailedTests: 0, numRuntimeErrorTestSuites: 0 });
        expect(summary.numPassedTests).toBeGreaterThan(100);
      },
      LONG,
    );

    test.each(chosen.map((mutant) => [mutant.name, mutant] as const))(
      "%s",
      async (_name, mutant) => {
        const summary = await runMutant(folder, tests, mutant);
        // Tests have to fail, not the loading of the changed source.
        expect(summary.numRuntimeErrorTestSuites).toBe(0);
        expect(summary.numFailedTests).toBeGreaterThan(0);
      },
      LONG,
    );
  });
}

/** Runs the tests over the copy, and counts. */
async function run(folder: string, tests: readonly string[]): Promise<Summary> {
  const summary = join(folder, "summary.json");
  const jest = join(ROOT, "node_modules/jest/bin/jest.js");
  const node = ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"];
  const options = ["--ci", "--silent", "--json", `--outputFile=${summary}`, "--rootDir", folder, "-i"];
  const child = spawn(process.execPath, [...node, jest, ...options, ...tests], {
    cwd: folder,
    stdio: "ignore",
  });
  await once(child, "close");
  return JSON.parse(readFileSync(summary, "utf8"));
}

/** Puts the fault in, runs the tests, and takes it out again. */
async function runMutant(
  folder: string,
  tests: readonly string[],
  { file, find, replace }: Mutant,
): Promise<Summary> {
  const path = join(folder, file);
  const original = readFileSync(path, "utf8");
  const pieces = original.split(find);
  // A fault that is not in the source any more would prove nothing.
  expect(pieces).toHaveLength(2);
  writeFileSync(path, pieces.join(replace));
  try {
    return await run(folder, tests);
  } finally {
    writeFileSync(path, original);
  }
}
