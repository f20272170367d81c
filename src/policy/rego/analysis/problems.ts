import type { CompileErrorCode, Location } from "../errors.ts";

/** A remark about policy text. Rows and columns count from 1, columns in code points. */
export interface Finding {
  readonly severity: "error" | "warning";
  readonly code: string;
  readonly message: string;
  readonly file: string;
  readonly row: number;
  readonly col: number;
  readonly endRow: number;
  readonly endCol: number;
}

const MAX_FINDINGS = 200;

/** Collects what the passes find. The same remark about the same place is kept once. */
export class Problems {
  readonly findings: Finding[] = [];
  readonly #seen = new Set<string>();
  #errors = 0;
  #lastError: Finding | undefined;

  /** Runs a check. @returns an error it found, also one that is not kept because there are too many */
  during(check: () => void): Finding | undefined {
    const before = this.#errors;
    check();
    return this.#errors > before ? this.#lastError : undefined;
  }

  get hasErrors(): boolean {
    return this.#errors > 0;
  }

  error(code: CompileErrorCode | "rego_parse_error", message: string, loc: Location): void {
    if (this.#add("error", code, message, loc)) this.#errors += 1;
  }

  warn(code: string, message: string, loc: Location): void {
    this.#add("warning", code, message, loc);
  }

  #add(severity: Finding["severity"], code: string, message: string, loc: Location): boolean {
    const finding: Finding = { severity, code, message, ...loc };
    if (severity === "error") this.#lastError = finding;
    const id = `${severity} ${code} ${loc.file} ${loc.row} ${loc.col} ${message}`;
    if (this.#seen.has(id) || this.findings.length >= MAX_FINDINGS) return severity === "error";
    this.#seen.add(id);
    this.findings.push(finding);
    return true;
  }

  /** Findings in the order of the text, file by file. */
  sorted(): readonly Finding[] {
    return this.findings.toSorted(
      (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.row - b.row || a.col - b.col,
    );
  }
}
