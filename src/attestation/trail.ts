import { type Check, EvidenceRejected, type Tee } from "./verifier.ts";

/** What a check demands, and who says so; one row of a verifier's published table. */
export interface CheckDescription {
  /** What has to hold, for a person; a step may say it more precisely. */
  readonly expected: string;
  /** Document, revision, section. */
  readonly source: string;
}

/**
 * Writes down the checks of one verification in the order in which they were done. Steps read
 * `if (bad) throw trail.failed(…); trail.passed(…)`, so that a forgotten `throw` shows as an unused value.
 */
export class Trail<Name extends string> {
  readonly #tee: Tee;
  readonly #table: Readonly<Record<Name, CheckDescription>>;
  readonly #checks: Check[] = [];

  constructor(tee: Tee, table: Readonly<Record<Name, CheckDescription>>) {
    this.#tee = tee;
    this.#table = table;
  }

  get checks(): readonly Check[] {
    return this.#checks;
  }

  passed(name: Name, seen: string, expected?: string): void {
    this.#add(name, "passed", seen, expected);
  }

  notChecked(name: Name, seen: string, expected?: string): void {
    this.#add(name, "not-checked", seen, expected);
  }

  /** The error to throw. Everything done so far goes with it. */
  failed(name: Name, seen: string, expected?: string, cause?: unknown): EvidenceRejected {
    const check = this.#add(name, "failed", seen, expected);
    return new EvidenceRejected(this.#tee, this.#checks, check, cause);
  }

  /** Passes or throws, for steps that are one comparison. */
  require(name: Name, holds: boolean, seen: string, expected?: string): void {
    if (!holds) throw this.failed(name, seen, expected);
    this.passed(name, seen, expected);
  }

  /** Repeats checks that were done earlier on the very same bytes. */
  repeat(checks: readonly Check[]): void {
    this.#checks.push(...checks);
  }

  #add(name: Name, outcome: Check["outcome"], seen: string, expected?: string): Check {
    const row = this.#table[name];
    const check: Check = {
      check: name,
      outcome,
      expected: expected ?? row.expected,
      seen,
      source: row.source,
    };
    this.#checks.push(check);
    return check;
  }
}
