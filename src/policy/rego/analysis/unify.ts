/** Splits `left = right` into matches whose direction is known. */
import { key } from "../compare.ts";
import { BudgetError } from "../errors.ts";
import type { ITerm } from "./ir.ts";
import type { Lifter } from "./lift.ts";
import type { Op } from "./plan.ts";

/** Pairs that wait for each other are tried round by round. A policy that people can read needs a few dozen tries. */
const MAX_TRIES = 200_000;

type Pair = readonly [left: ITerm, right: ITerm];

/** Emits the operations that make both sides equal; what cannot be decided yet is noted as missing. */
export function planUnify(lifter: Lifter, left: ITerm, right: ITerm): void {
  let pending: Pair[] = [[left, right]];
  let tries = 0;
  for (;;) {
    const rest: Pair[] = [];
    let progress = false;
    const queue = [...pending];
    for (let pair = queue.shift(); pair !== undefined; pair = queue.shift()) {
      tries += 1;
      if (tries > MAX_TRIES) throw new BudgetError("unification");
      const split = step(lifter, pair);
      if (split === undefined) rest.push(pair);
      else {
        progress = true;
        queue.unshift(...split);
      }
    }
    pending = rest;
    if (rest.length === 0) return;
    if (!progress) break;
  }
  for (const pair of pending) for (const side of pair) lifter.rewrite(side);
}

/** The pairs that replace this one (none when it is done), or undefined when neither side is known yet. */
function step(lifter: Lifter, [left, right]: Pair): readonly Pair[] | undefined {
  if (lifter.isReady(left) && lifter.canMatch(right)) return emit(lifter, left, right);
  if (lifter.isReady(right) && lifter.canMatch(left)) return emit(lifter, right, left);
  if (left.t === "array" && right.t === "array") return splitArrays(lifter, left.items, right.items);
  if (left.t === "array" && right.t === "const") return undefined;
  if (left.t === "object" && right.t === "object") return splitObjects(lifter, left.entries, right.entries);
  return undefined;
}

function emit(lifter: Lifter, known: ITerm, other: ITerm): readonly Pair[] {
  const term = lifter.rewrite(known);
  const into = lifter.pattern(other);
  const last = lifter.ops.at(-1);
  // `x = input.list[i]`: the iteration can bind x itself.
  if (last !== undefined && (last.op === "iterate" || last.op === "relation") && last.into.p === "bind") {
    if (term.t === "var" && term.variable === last.into.variable && term.variable.name === "") {
      lifter.ops.pop();
      lifter.ops.push({ ...last, into });
      return [];
    }
  }
  lifter.ops.push({ op: "match", term, into } satisfies Op);
  return [];
}

const NEVER: Op = {
  op: "test",
  term: { t: "const", value: false, loc: { file: "", row: 0, col: 0, endRow: 0, endCol: 0 } },
};

function splitArrays(lifter: Lifter, left: readonly ITerm[], right: readonly ITerm[]): readonly Pair[] {
  if (left.length !== right.length) {
    lifter.ops.push(NEVER);
    return [];
  }
  return left.flatMap((item, at): Pair[] => {
    const other = right[at];
    return other === undefined ? [] : [[item, other]];
  });
}

type Entries = readonly (readonly [ITerm, ITerm])[];

function splitObjects(lifter: Lifter, left: Entries, right: Entries): readonly Pair[] | undefined {
  const names = new Map<string, ITerm>();
  for (const [name, value] of right) {
    if (name.t !== "const") return undefined;
    names.set(key(name.value), value);
  }
  const pairs: Pair[] = [];
  for (const [name, value] of left) {
    if (name.t !== "const") return undefined;
    const other = names.get(key(name.value));
    if (other !== undefined) pairs.push([value, other]);
  }
  if (pairs.length === names.size && pairs.length === left.length) return pairs;
  lifter.ops.push(NEVER);
  return [];
}
