import type { ILiteral, Variable } from "./analysis/ir.ts";
import type { DocNode } from "./compile/docs.ts";
import type { Frame } from "./evaluation.ts";
import type { Value } from "./value.ts";

/** Watches an evaluation that was compiled with probes. Never on by default: it sees evidence. */
export interface Probe {
  enterRule(rule: DocNode): void;
  exitRule(rule: DocNode, value: Value | undefined): void;
  /** A branch of a definition is tried; `id` is the place of the branch in the text. */
  enterBranch(branch: BranchSite): void;
  /** The branch had a solution. */
  exitBranch(branch: BranchSite): void;
  /** About to be evaluated, again on every attempt. */
  enterLiteral(site: LiteralSite, frame: Frame): void;
  /** Succeeded, again for every solution. */
  exitLiteral(site: LiteralSite, frame: Frame): void;
  note(message: string): void;
}

/** A literal in a compiled body. */
export interface LiteralSite {
  readonly literal: ILiteral;
  readonly branch: BranchSite;
  /** Position in the order of evaluation. */
  readonly index: number;
  /** Named variables in the order they got their slots. */
  readonly variables: readonly Variable[];
  /** Evaluates the parts of the literal, for showing what it saw. */
  readonly watched: readonly Watched[];
}
export interface Watched {
  readonly text: string;
  readonly value: (frame: Frame) => Value | undefined;
}
export interface BranchSite {
  readonly rule: string;
  readonly file: string;
  readonly row: number;
  readonly endRow: number;
  readonly branch: number;
}
