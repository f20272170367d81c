/**
 * How deeply native calls nest while a clause runs, in units of about one closure. Each running rule is charged
 * this much of the native depth limit: the JS stack is protected by counting, not by catching its overflow.
 */
import type { ClosurePlan, Comprehension, IClause, ITerm } from "../analysis/ir.ts";
import type { LiteralPlan, Op } from "../analysis/plan.ts";

/** A search runs the rest of its body inside itself; a test is over before the next literal begins. */
interface Cost {
  readonly lasting: number;
  readonly passing: number;
}

export function clauseCost(clause: IClause): number {
  const branches = clause.branches.map(({ plan }) =>
    plan === undefined ? 0 : bodyCost(plan.body) + most([plan.value, ...plan.suffix].map(termCost)),
  );
  return most([...branches, ...clause.args.map(termCost)]);
}

function most(costs: readonly number[]): number {
  return costs.reduce((a, b) => Math.max(a, b), 0);
}

function bodyCost(plans: readonly LiteralPlan[]): number {
  const { lasting, passing } = opsCost(plans.flatMap((plan) => plan.ops));
  return lasting + passing;
}

function opsCost(ops: readonly Op[]): Cost {
  const costs = ops.map(opCost);
  return {
    lasting: costs.reduce((sum, cost) => sum + cost.lasting, 0),
    passing: most(costs.map((cost) => cost.passing)),
  };
}

function opCost(op: Op): Cost {
  switch (op.op) {
    case "test":
    case "match":
      return { lasting: 0, passing: 1 + termCost(op.term) };
    case "iterate":
      return { lasting: 2 + 3 * op.steps.length, passing: termCost(op.ref) };
    case "relation":
      return { lasting: 4, passing: termCost(op.call) };
    case "someIn":
      return { lasting: 4, passing: termCost(op.collection) };
    case "not":
      return { lasting: 0, passing: 3 + bodyCost(op.body) };
    case "every":
      return { lasting: 0, passing: 4 + Math.max(termCost(op.domain), bodyCost(op.body)) };
    case "any":
      return { lasting: 0, passing: 4 + most(op.bodies.map(bodyCost)) };
    case "print":
      return { lasting: 0, passing: 3 + most(op.args.map(termCost)) };
    default: {
      const inner = opsCost(op.ops);
      return { lasting: 4 + inner.lasting, passing: inner.passing };
    }
  }
}

function termCost(term: ITerm): number {
  switch (term.t) {
    case "const":
    case "var":
      return 0;
    case "array":
    case "set":
      return 1 + most(term.items.map(termCost));
    case "object":
      return 1 + most(term.entries.flat().map(termCost));
    case "ref":
      return 1 + most([...(typeof term.root === "string" ? [] : [term.root]), ...term.path].map(termCost));
    case "call":
      return 2 + most(term.args.map(termCost));
    case "compr":
      return closureCost(term);
    default:
      return 2 + most(term.parts.map((part) => (typeof part === "string" ? 0 : closureCost(part))));
  }
}

function closureCost(term: Comprehension): number {
  const plan: ClosurePlan | undefined = term.plan;
  if (plan === undefined) return 0;
  const heads = plan.key === undefined ? [plan.value] : [plan.key, plan.value];
  return 3 + bodyCost(plan.body) + most(heads.map(termCost));
}
