/** Results of tests for people and for build servers. */
import type { FileCoverage, TestOutcome, TestResult } from "../../policy/rego/index.ts";
import { type TestReport, totalCoverage } from "./run-units.ts";

const MARKS: Readonly<Record<TestOutcome, string>> = {
  pass: "PASS",
  fail: "FAIL",
  error: "ERROR",
  todo: "TODO",
};

/** File by file, one line a test; prints of those that did not pass below them. */
export function textReport({ tests, coverage }: TestReport): string {
  const byFile = groupBy(tests, ({ location }) => location.file);
  const files = [...byFile].map(([file, own]) => `${file}:\n${own.map(testLines).join("")}`);
  return `${files.join("")}${summaryLine(tests)}${coverageText(coverage)}`;
}

function testLines({ package: home, name, outcome, milliseconds, reason, prints }: TestResult): string {
  const head = `  ${home}.${name}: ${MARKS[outcome]}${outcome === "todo" ? "" : ` (${milliseconds.toFixed(3)} ms)`}`;
  const why = reason === undefined ? "" : `: ${reason}`;
  const printed = outcome === "pass" ? "" : prints.map((line) => `      ${line}\n`).join("");
  return `${head}${why}\n${printed}`;
}

function summaryLine(tests: readonly TestResult[]): string {
  const parts = (["pass", "fail", "error", "todo"] as const).flatMap((outcome) => {
    const found = tests.filter((test) => test.outcome === outcome).length;
    return found === 0 ? [] : [`${MARKS[outcome]}: ${found}/${tests.length}`];
  });
  return `${"-".repeat(60)}\n${parts.join("  ")}\n`;
}

function coverageText(files: ReadonlyMap<string, FileCoverage>): string {
  if (files.size === 0) return "";
  const lines = [...files].map(([file, { coverage, not_covered: missed }]) => {
    const rows = missed.map(({ start, end }) =>
      start.row === end.row ? start.row : `${start.row}-${end.row}`,
    );
    const which = rows.length === 0 ? "" : `  not reached: ${rows.join(", ")}`;
    return `${percentText(coverage)}  ${file}${which}\n`;
  });
  return `${lines.join("")}${percentText(totalCoverage(files))}  all files\n`;
}

function percentText(percent: number): string {
  return `${percent.toFixed(1).padStart(5)} %`;
}

/** JUnit's XML as build servers read it: one suite for each package. */
export function junitReport({ tests }: TestReport): string {
  const suites = [...groupBy(tests, (test) => test.package)].map(([name, own]) => suite(name, own));
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("")}</testsuites>\n`;
}

function suite(name: string, tests: readonly TestResult[]): string {
  const of = (outcome: TestOutcome) => tests.filter((test) => test.outcome === outcome).length;
  const counts = `tests="${tests.length}" failures="${of("fail")}" errors="${of("error")}" skipped="${of("todo")}"`;
  const time = tests.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const cases = tests.map(testCase).join("");
  return `  <testsuite name="${xml(name)}" ${counts} time="${seconds(time)}">\n${cases}  </testsuite>\n`;
}

function testCase({
  package: home,
  name,
  location,
  outcome,
  milliseconds,
  reason,
  prints,
}: TestResult): string {
  const place = `file="${xml(location.file)}" line="${location.row}"`;
  const head = `    <testcase classname="${xml(home)}" name="${xml(name)}" ${place} time="${seconds(milliseconds)}"`;
  if (outcome === "pass") return `${head}/>\n`;
  if (outcome === "todo") return `${head}><skipped/></testcase>\n`;
  const tag = outcome === "fail" ? "failure" : "error";
  const printed = prints.map((line) => `${line}\n`).join("");
  return `${head}><${tag} message="${xml(reason ?? "")}">${xml(printed)}</${tag}></testcase>\n`;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(6);
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Characters that XML 1.0 cannot hold in any form become U+FFFD. */
function xml(text: string): string {
  return text
    .replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? "")
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
}

function groupBy(
  tests: readonly TestResult[],
  nameOf: (test: TestResult) => string,
): Map<string, TestResult[]> {
  const groups = new Map<string, TestResult[]>();
  for (const test of tests) {
    const name = nameOf(test);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [test]);
    else group.push(test);
  }
  return groups;
}
