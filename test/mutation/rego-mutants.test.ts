/** Every fault of the list is caught by a test: `KEYWARDEN_FULL=1` tries all of them, else those marked as short. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MUTANTS, type Mutant } from "./rego-mutants.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FULL = process.env["KEYWARDEN_FULL"] === "1";
const CHOSEN = FULL ? MUTANTS : MUTANTS.filter(({ short }) => short === true);
/** The tests that have to notice. */
const TESTS = [
  "test/unit/policy/rego/language.test.ts",
  "test/unit/policy/rego/with.test.ts",
  "test/unit/policy/rego/documents.test.ts",
  "test/unit/policy/rego/dangerous-parts.test.ts",
  "test/unit/policy/rego-engine.test.ts",
  "test/unit/broker/release.test.ts",
];
const LONG = 180_000;

interface Summary {
  readonly numFailedTests: number;
  readonly numPassedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keywarden-mutants-"));
  for (const part of ["src", "test", "policies", "package.json", "jest.config.js"]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}, LONG);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the tests over the copy, and counts. */
async function run(): Promise<Summary> {
  const summary = join(folder, "summary.json");
  const jest = join(ROOT, "node_modules/jest/bin/jest.js");
  const node = ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"];
  const options = ["--ci", "--silent", "--json", `--outputFile=${summary}`, "--rootDir", folder, "-i"];
  const child = spawn(process.execPath, [...node, jest, ...options, ...TESTS], {
    cwd: folder,
    stdio: "ignore",
  });
  await once(child, "close");
  return JSON.parse(readFileSync(summary, "utf8"));
}

/** Puts the fault in, runs the tests, and takes it out again. */
async function runMutant({ file, find, replace }: Mutant): Promise<Summary> {
  const path = join(folder, file);
  const original = readFileSync(path, "utf8");
  const pieces = original.split(find);
  // A fault that is not in the source any more would prove nothing.
  expect(pieces).toHaveLength(2);
  writeFileSync(path, pieces.join(replace));
  try {
    return await run();
  } finally {
    writeFileSync(path, original);
  }
}

describe("seeded faults in the Rego engine", () => {
  test(
    "without a fault all tests pass",
    async () => {
      const summary = await run();
      expect(summary).toMatchObject({ numFailedTests: 0, numRuntimeErrorTestSuites: 0 });
      expect(summary.numPassedTests).toBeGreaterThan(100);
    },
    LONG,
  );

  test.each(CHOSEN.map((mutant) => [mutant.name, mutant] as const))(
    "%s",
    async (_name, mutant) => {
      const summary = await runMutant(mutant);
      // Tests have to fail, not the loading of the changed source.
      expect(summary.numRuntimeErrorTestSuites).toBe(0);
      expect(summary.numFailedTests).toBeGreaterThan(0);
    },
    LONG,
  );
});
