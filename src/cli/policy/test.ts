import type { TestResult } from "../../policy/rego/index.ts";
import { CommandFailure, EXIT, misuse, type World } from "../world.ts";
import { count } from "./check.ts";
import { findingsText } from "./findings.ts";
import { errorsOf } from "./load.ts";
import { runUnits, type TestReport, totalCoverage } from "./run-units.ts";
import { junitReport, textReport } from "./test-report.ts";
import { testUnits } from "./test-units.ts";

export type TestFormat = "text" | "json" | "junit";
export interface TestOptions {
  readonly coverage?: boolean;
  readonly format: TestFormat;
  readonly v0?: boolean;
}

/** `keywarden policy test`. */
export async function testPolicies(
  world: World,
  paths: readonly string[],
  options: TestOptions,
): Promise<void> {
  const units = await testUnits(paths);
  const report = runUnits(units, options.v0 === true ? "v0" : "v1", world.now(), options.coverage === true);
  const errors = report.findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    const modules = units.flatMap((unit) => unit.modules);
    const text = `${count(errors.length, "error")} found, nothing was tested\n${findingsText(errors, modules)}`;
    if (options.format === "json") world.out(`${JSON.stringify({ errors: errorsOf(errors) })}\n`);
    throw new CommandFailure(EXIT.refused, text.trimEnd());
  }
  if (report.tests.length === 0)
    throw misuse("There are no tests: no rule test_… in any file of these paths.");
  world.out(FORMATS[options.format](report));
  const bad = report.tests.filter(({ outcome }) => outcome === "fail" || outcome === "error").length;
  if (bad > 0) throw new CommandFailure(EXIT.refused, `${count(bad, "test")} failed`);
}

const FORMATS: Readonly<Record<TestFormat, (report: TestReport) => string>> = {
  text: textReport,
  junit: junitReport,
  json: jsonReport,
};

function jsonReport(report: TestReport): string {
  const of = (outcome: TestResult["outcome"]) =>
    report.tests.filter((test) => test.outcome === outcome).length;
  const counts = { passed: of("pass"), failed: of("fail"), errors: of("error"), todo: of("todo") };
  const coverage =
    report.coverage.size === 0
      ? {}
      : {
          coverage: { files: Object.fromEntries(report.coverage), coverage: totalCoverage(report.coverage) },
        };
  return `${JSON.stringify({ ...counts, tests: report.tests, ...coverage })}\n`;
}
