// npm run verify: types, lint, all tests, and the built program under plain Node. `--full` adds the long sweeps.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./lib/build.js";
import { ensureDependencies, packageProgram, ROOT, run, whileLocked } from "./lib/checkout.js";
import { smoke } from "./lib/smoke.js";
import { newTally } from "./lib/steps.js";

const full = process.argv.includes("--full");
const environment = { ...process.env, ...(full ? { KEYWARDEN_FULL: "1" } : {}) };
const tally = newTally();
const tests = { passed: 0, failed: 0, skipped: [], names: [] };

/** Runs a JavaScript program of a package with this Node. */
async function program(name, bin, args, nodeOptions = []) {
  const code = await run(process.execPath, [...nodeOptions, packageProgram(name, bin), ...args], {
    env: environment,
  });
  if (code !== 0) throw new Error(`${bin} ended with ${code}; its words stand above`);
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "keywarden-verify-"));
  const summary = join(folder, "jest.json");
  try {
    await program(
      "jest",
      "jest",
      ["--ci", "--json", `--outputFile=${summary}`, ...(full ? ["--testTimeout=600000"] : [])],
      ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"],
    );
  } finally {
    readSummary(summary);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Jest's own exit code is not enough: a suite that cannot be loaded counts no test, so it is counted here. */
function readSummary(file) {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(file, "utf8"));
  tests.passed = numPassedTests;
  tests.failed = numFailedTests;
  for (const { name, status, assertionResults } of testResults) {
    const failed = assertionResults.filter((result) => result.status === "failed");
    if (status === "failed" && failed.length === 0) {
      tests.failed++;
      tests.names.push(`${name.slice(ROOT.length + 1)} could not be run`);
    }
    tests.names.push(...failed.map(({ fullName }) => `${name.slice(ROOT.length + 1)}: ${fullName}`));
    const skipped = assertionResults.filter((result) => ["pending", "todo"].includes(result.status));
    tests.skipped.push(...skipped.map(({ ancestorTitles, fullName }) => ancestorTitles[0] ?? fullName));
  }
  if (tests.passed === 0 && tests.failed === 0) tests.failed = 1;
}

/** How often each name occurs. */
function countNames(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

await tally.step("npm dependencies are there", () => whileLocked(async () => ensureDependencies()));
await tally.step("types", () => program("typescript", "tsc", ["-p", "tsconfig.json"]));
await tally.step("format and lint", () =>
  program("@biomejs/biome", "biome", ["ci", "--error-on-warnings", "--colors=off", "."]),
);
await tally.step("the program builds", build);
await tally.step("tests", runTests);
for (const node of [process.execPath, process.env.KEYWARDEN_NODE24].filter((path) => path))
  await smoke(node, tally);

// The step "tests" stands for its tests, so it is not counted beside them.
const testsFailedAsStep = tally.failures.includes("tests");
const stepsPassed = tally.passed - (testsFailedAsStep ? 0 : 1);
const stepsFailed = tally.failures.filter((name) => name !== "tests");
const failed = stepsFailed.length + Math.max(tests.failed, testsFailedAsStep ? 1 : 0);

console.log("");
console.log(`tests   ${tests.passed} passed, ${tests.failed} failed, ${tests.skipped.length} skipped`);
console.log(`steps   ${stepsPassed} passed, ${stepsFailed.length} failed`);
if (process.env.KEYWARDEN_NODE24 === undefined)
  console.log("skipped the smoke under Node 24: KEYWARDEN_NODE24 names no such program");
for (const [name, count] of countNames(tests.skipped)) console.log(`skipped ${count}: ${name}`);
for (const name of [...stepsFailed, ...tests.names]) console.log(`FAILED  ${name}`);
console.log(`${tests.passed + stepsPassed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
