/** Running the tests of several units. */

import {
  Coverage,
  compilePolicy,
  type FileCoverage,
  type Finding,
  percentage,
  runUnitTests,
  type TestResult,
} from "../../policy/rego/index.ts";
import { QUERY_REFERENCE_VALUE } from "../../policy/rego-engine.ts";
import type { TestUnit } from "./test-units.ts";

/** What tests of all units gave. */
export interface TestReport {
  readonly tests: readonly TestResult[];
  /** Of the policies, not of their tests; empty unless asked for. */
  readonly coverage: ReadonlyMap<string, FileCoverage>;
  /** Why some unit was not run. */
  readonly findings: readonly Finding[];
}

/** A test is waited for by a person, and may walk through large fixtures. */
const TEST_LIMITS = { wallClockMilliseconds: 5_000 };

/** Compiles and runs units. A unit that does not compile runs nothing, nor does any other. */
export function runUnits(
  units: readonly TestUnit[],
  dialect: "v0" | "v1",
  now: number,
  withCoverage: boolean,
): TestReport {
  const compiled = units.map((unit) => ({
    ...unit,
    ...compilePolicy(unit.modules, { dialect, host: [QUERY_REFERENCE_VALUE] }),
  }));
  const findings = compiled.flatMap((unit) => unit.findings);
  if (findings.some(({ severity }) => severity === "error"))
    return { tests: [], coverage: new Map(), findings };
  const tests: TestResult[] = [];
  const reports = new Map<string, FileCoverage>();
  for (const { policy, testFiles } of compiled) {
    if (policy === undefined) continue;
    const coverage = withCoverage ? new Coverage(policy) : undefined;
    const run = { files: testFiles, host: () => null, nowNs: BigInt(now) * 1_000_000n, limits: TEST_LIMITS };
    tests.push(...runUnitTests(policy, coverage === undefined ? run : { ...run, probe: coverage }));
    for (const [file, found] of coverage?.report() ?? []) {
      if (!file.endsWith("_test.rego") && isBetter(found, reports.get(file))) reports.set(file, found);
    }
  }
  return { tests, coverage: reports, findings };
}

/** A library is part of several units; the one that tests it says most about it. */
function isBetter(coverage: FileCoverage, before: FileCoverage | undefined): boolean {
  return before === undefined || coverage.covered_lines > before.covered_lines;
}

/** Per cent over all files. */
export function totalCoverage(files: ReadonlyMap<string, FileCoverage>): number {
  let covered = 0;
  let all = 0;
  for (const file of files.values()) {
    covered += file.covered_lines;
    all += file.covered_lines + file.not_covered_lines;
  }
  return percentage(covered, all);
}
