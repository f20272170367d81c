import type { IBranch, IClause } from "../analysis/ir.ts";
import type { LiteralPlan } from "../analysis/plan.ts";
import { dataPath } from "../analysis/tree.ts";
import type { Evaluation, Frame } from "../evaluation.ts";
import type { BranchSite, LiteralSite } from "../probe.ts";
import type { DocNode } from "./docs.ts";
import { type Next, type Step, StepCompiler } from "./steps.ts";

/** Compiles bodies that tell a probe what they do. */
export class ProbedCompiler extends StepCompiler {
  readonly #clause: IClause;
  #branch: BranchSite;
  #index = 0;

  constructor(root: DocNode, functions: ReadonlyMap<string, DocNode>, clause: IClause) {
    super(root, functions);
    this.#clause = clause;
    this.#branch = this.#site(clause.loc.row, clause.rule.loc.endRow, 0);
  }

  #site(row: number, endRow: number, branch: number): BranchSite {
    return { rule: dataPath(this.#clause.path), file: this.#clause.file, row, endRow, branch };
  }

  beginBranch(branch: IBranch, at: number): void {
    this.#branch = this.#site(branch.loc.row, branch.loc.endRow, at);
    this.#index = 0;
  }

  override branchBody(plans: readonly LiteralPlan[], next: Next): Next {
    const site = this.#branch;
    const run = super.branchBody(plans, (f, e) => {
      e.probe?.exitBranch(site);
      return next(f, e);
    });
    return (f, e) => {
      e.probe?.enterBranch(site);
      return run(f, e);
    };
  }

  protected override literal(plan: LiteralPlan): Step[] {
    const { literal } = plan;
    const site = literal === undefined ? undefined : this.#literalSite(literal);
    const steps = super.literal(plan);
    if (site === undefined) return steps;
    return [
      watch((f, e) => e.probe?.enterLiteral(site, f)),
      ...steps,
      watch((f, e) => e.probe?.exitLiteral(site, f)),
    ];
  }

  #literalSite(literal: NonNullable<LiteralPlan["literal"]>): LiteralSite {
    const index = this.#index;
    this.#index += 1;
    const compiler = this;
    return {
      literal,
      branch: this.#branch,
      index,
      get variables() {
        return compiler.variables;
      },
      watched: [],
    };
  }
}

/** A step that only tells; it never stands in the way. */
function watch(tell: (frame: Frame, e: Evaluation) => void): Step {
  return {
    test: (f, e) => {
      tell(f, e);
      return true;
    },
  };
}
