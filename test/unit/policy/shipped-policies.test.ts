import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { runUnits, type TestReport } from "../../../src/cli/policy/run-units.ts";
import { testUnits } from "../../../src/cli/policy/test-units.ts";
import { LINT_PROFILES } from "../../../src/policy/lint-profiles.ts";
import { compilePolicy, formatModule } from "../../../src/policy/rego/index.ts";
import { QUERY_REFERENCE_VALUE } from "../../../src/policy/rego-engine.ts";

/** The policies in `policies/`, by the same runner that `keywarden policy test` uses. */
const FOLDER = fileURLToPath(new URL("../../../policies/", import.meta.url));
const NOW = Date.UTC(2026, 5, 1);

const POLICIES = ["attestation", "release"].flatMap((folder) =>
  readdirSync(FOLDER + folder)
    .filter((file) => file.endsWith(".rego"))
    .map((file) => `${FOLDER}${folder}/${file}`),
);
const SUBJECTS = POLICIES.filter((file) => !file.endsWith("_test.rego"));

let report: TestReport;
beforeAll(async () => {
  report = runUnits(await testUnits([FOLDER]), "v1", NOW, true);
});

test("every test of every shipped policy passes", () => {
  expect(report.findings.filter(({ severity }) => severity === "error")).toEqual([]);
  expect(report.tests.filter(({ outcome }) => outcome !== "pass")).toEqual([]);
  expect(report.tests.length).toBeGreaterThanOrEqual(75);
});

test.each(SUBJECTS.map((file) => [file.slice(FOLDER.length)]))("%s is covered by its tests", (file) => {
  const coverage = report.coverage.get(FOLDER + file);
  // A policy of defaults alone has no line that could be reached.
  if (coverage === undefined) expect(file).toBe("release/deny-all.rego");
  else expect(coverage.coverage).toBeGreaterThanOrEqual(90);
});

test.each(POLICIES.map((file) => [file.slice(FOLDER.length)]))("%s is laid out by policy fmt", (file) => {
  const text = readFileSync(FOLDER + file, "utf8");
  expect(formatModule(file, text)).toEqual({ text });
});

test.each(SUBJECTS.map((file) => [file.slice(FOLDER.length)]))("%s compiles without a warning", (file) => {
  const text = readFileSync(FOLDER + file, "utf8");
  const { findings } = compilePolicy([{ file, text }], {
    host: [QUERY_REFERENCE_VALUE],
    lint: LINT_PROFILES,
  });
  expect(findings).toEqual([]);
});

/** A condition of its own line, which can be taken away without breaking the text. */
function conditions(text: string): readonly number[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const isCondition = /^\t+\S/.test(line) && /==|>=| in |^\t+not |^\t+is_\w+\(|^\t\w+$/.test(line);
    const isBlock = /[{[(]$|^\t*some |:=|^\t*#|,$/.test(line);
    const inObject = /^\t"/.test(line);
    return isCondition && !isBlock && !inObject ? [at] : [];
  });
}

describe("a condition that is forgotten is noticed", () => {
  const cases = SUBJECTS.flatMap((file) => {
    const text = readFileSync(file, "utf8");
    return conditions(text).map(
      (row) => [file.slice(FOLDER.length), row + 1, text.split("\n")[row]?.trim()] as const,
    );
  });

  test("there are such conditions", () => {
    expect(cases.length).toBeGreaterThan(60);
  });

  test.each(cases)("%s:%d %s", (file, row) => {
    const lines = readFileSync(FOLDER + file, "utf8").split("\n");
    lines[row - 1] = "\ttrue";
    const testFile = file.replace(/\.rego$/, "_test.rego");
    const modules = [
      { file, text: lines.join("\n") },
      { file: testFile, text: readFileSync(FOLDER + testFile, "utf8") },
    ];
    const { tests, findings } = runUnits([{ modules, testFiles: new Set([testFile]) }], "v1", NOW, false);
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(tests.filter(({ outcome }) => outcome !== "pass").length).toBeGreaterThan(0);
  });
});
