/** How remarks about policy text look to people. */
import type { Finding, ModuleText } from "../../policy/rego/index.ts";

/** One line with the place, the line of the policy itself, and a caret below the column. */
export function findingText(finding: Finding, source: string | undefined): string {
  const { file, row, col, severity, code, message } = finding;
  const head = `${file}:${row}:${col}: ${severity}: ${code}: ${message}\n`;
  const line = source?.split("\n")[row - 1]?.replace(/\r$/, "");
  return line === undefined ? head : `${head}${quotedLine(line, finding)}`;
}

/** All of them, in the order they came. */
export function findingsText(findings: readonly Finding[], modules: readonly ModuleText[]): string {
  const sources = new Map(modules.map(({ file, text }) => [file, text]));
  return findings.map((finding) => findingText(finding, sources.get(finding.file))).join("");
}

const MAX_WIDTH = 160;

/** Columns count code points and a tab is one of them, so tabs become one space each above the caret. */
function quotedLine(line: string, { row, endRow, col, endCol }: Finding): string {
  const points = [...line.replaceAll("\t", " ")];
  const from = Math.max(0, Math.min(col - 1, points.length));
  const to = endRow === row ? Math.min(endCol - 1, points.length) : points.length;
  const start = from > MAX_WIDTH ? from - MAX_WIDTH / 2 : 0;
  const shown = points.slice(start, start + MAX_WIDTH).join("");
  const carets = "^".repeat(Math.max(1, Math.min(to - from, MAX_WIDTH - (from - start))));
  return `    ${shown.trimEnd()}\n    ${" ".repeat(from - start)}${carets}\n`;
}
