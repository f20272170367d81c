/** Which literals and heads ran, merged over any number of evaluations. */
import type { ILiteral } from "./analysis/ir.ts";
import { ClauseVisitor } from "./analysis/visit.ts";
import type { Location } from "./errors.ts";
import type { Policy } from "./policy.ts";
import { type BranchSite, type LiteralSite, SilentProbe } from "./probe.ts";

/** Rows count from 1 and include both ends. The shape is that of `opa test --coverage`. */
export interface RowRange {
  readonly start: { readonly row: number };
  readonly end: { readonly row: number };
}
export interface FileCoverage {
  readonly covered: readonly RowRange[];
  readonly not_covered: readonly RowRange[];
  readonly covered_lines: number;
  readonly not_covered_lines: number;
  /** Per cent of the lines that hold a literal or a head. */
  readonly coverage: number;
}

/** A probe to be handed to evaluations of one policy. */
export class Coverage extends SilentProbe {
  readonly #policy: Policy;
  /** By file, the rows that ran. */
  readonly #rows: Map<string, Set<number>> = new Map();

  constructor(policy: Policy) {
    super();
    this.#policy = policy;
  }

  override exitBranch(branch: BranchSite): void {
    this.#mark(branch.file, branch.row);
  }

  override enterLiteral(site: LiteralSite): void {
    const { loc } = site.literal;
    this.#mark(loc.file, loc.row);
  }

  #mark(file: string, row: number): void {
    const rows = this.#rows.get(file);
    if (rows === undefined) this.#rows.set(file, new Set([row]));
    else rows.add(row);
  }

  report(): ReadonlyMap<string, FileCoverage> {
    return new Map([...coverableRows(this.#policy)].map(([file, rows]) => [file, this.#file(file, rows)]));
  }

  #file(file: string, rows: ReadonlySet<number>): FileCoverage {
    const ran = this.#rows.get(file) ?? new Set<number>();
    const sorted = [...rows].sort((a, b) => a - b);
    const covered = sorted.filter((row) => ran.has(row));
    const missed = sorted.filter((row) => !ran.has(row));
    return {
      covered: ranges(covered),
      not_covered: ranges(missed),
      covered_lines: covered.length,
      not_covered_lines: missed.length,
      coverage: percentage(covered.length, sorted.length),
    };
  }
}

class Literals extends ClauseVisitor {
  readonly #visit: (literal: ILiteral) => void;

  constructor(visit: (literal: ILiteral) => void) {
    super();
    this.#visit = visit;
  }

  override literalFound(literal: ILiteral): void {
    this.#visit(literal);
  }
}

function coverableRows(policy: Policy): ReadonlyMap<string, ReadonlySet<number>> {
  const rows = new Map<string, Set<number>>();
  const add = (loc: Location): void => {
    const own = rows.get(loc.file);
    if (own === undefined) rows.set(loc.file, new Set([loc.row]));
    else own.add(loc.row);
  };
  const visitor = new Literals((literal) => {
    if (literal.statement.k !== "nothing") add(literal.loc);
  });
  for (const clause of policy.analysis.clauses) {
    if (clause.isDefault) continue; // a default has nothing to run
    for (const branch of clause.branches) add(branch.loc);
    visitor.clause(clause);
  }
  return rows;
}

function ranges(rows: readonly number[]): RowRange[] {
  const found: { start: { row: number }; end: { row: number } }[] = [];
  for (const row of rows) {
    const last = found.at(-1);
    if (last !== undefined && last.end.row === row - 1) last.end.row = row;
    else found.push({ start: { row }, end: { row } });
  }
  return found;
}

/** With one decimal, as OPA prints it; nothing to cover is covered. */
export function percentage(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.round((part / whole) * 1_000) / 10;
}
