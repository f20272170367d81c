import type { ILiteral } from "./analysis/ir.ts";
import type { DocNode } from "./compile/docs.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import type { Value } from "./value.ts";

/** Watches an evaluation that was compiled with probes. Never on by default: it sees evidence. */
export interface Probe {
  enterRule(rule: DocNode): void;
  exitRule(rule: DocNode, value: Value | undefined): void;
  /** A branch of a definition is tried. */
  enterBranch(branch: BranchSite): void;
  /** The branch had a solution; again for every one. */
  exitBranch(branch: BranchSite): void;
  /** About to be evaluated; again on every attempt. */
  enterLiteral(site: LiteralSite, frame: Frame, e: Evaluation): void;
  /** Succeeded; again for every solution. */
  exitLiteral(site: LiteralSite): void;
  note(message: string): void;
}

/** A literal in a compiled body. */
export interface LiteralSite {
  readonly literal: ILiteral;
  readonly branch: BranchSite;
  /** Position in the order of evaluation. */
  readonly index: number;
  /** 0 in the body of a rule, 1 in a body inside that, and so on. */
  readonly level: number;
  /** What the literal looks at, for showing the values it saw. */
  readonly watched: readonly Watched[];
  /** Rules and functions it refers to, as `data.a.b`. */
  readonly rules: readonly string[];
}
export interface Watched {
  readonly text: string;
  readonly value: (frame: Frame, e: Evaluation) => Value | undefined;
}
/** One body of one definition. */
export interface BranchSite {
  readonly rule: string;
  readonly file: string;
  readonly row: number;
  readonly col: number;
  readonly id: string;
}

/** A probe that does nothing; the starting point of those that do. */
export class SilentProbe implements Probe {
  enterRule(_rule: DocNode): void {}
  exitRule(_rule: DocNode, _value: Value | undefined): void {}
  enterBranch(_branch: BranchSite): void {}
  exitBranch(_branch: BranchSite): void {}
  enterLiteral(_site: LiteralSite, _frame: Frame, _e: Evaluation): void {}
  exitLiteral(_site: LiteralSite): void {}
  note(_message: string): void {}
}
