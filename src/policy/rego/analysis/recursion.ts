/** Rules that need their own value. */
import type { Call, IClause, ITerm, IWith, Reference } from "./ir.ts";
import type { Problems } from "./problems.ts";
import { dataPath, nodeAt, type TreeNode } from "./tree.ts";
import { ClauseVisitor } from "./visit.ts";

export function checkRecursion(tree: TreeNode, clauses: readonly IClause[], problems: Problems): void {
  const edges = dependencies(tree, clauses);
  if (edges === undefined) {
    const message =
      "rules refer to each other in too many ways: references with variables reach too many rules";
    const loc = clauses[0]?.loc;
    if (loc !== undefined) problems.error("rego_compile_error", message, loc);
    return;
  }
  for (const node of [...inOrTowardsCycles(edges)].slice(0, MAX_REPORTED)) {
    const cycle = cycleFrom(node, edges);
    const loc = node.definitions[0]?.loc;
    if (cycle === undefined || loc === undefined) continue;
    const way = cycle.map((step) => dataPath(step.path)).join(" -> ");
    problems.error("rego_recursion_error", `rule ${dataPath(node.path)} is recursive: ${way}`, loc);
  }
}

export type Edges = ReadonlyMap<TreeNode, ReadonlySet<TreeNode>>;

const MAX_REPORTED = 50;
/** Ten thousand rules with a variable behind the package would make a hundred million. */
const MAX_EDGES = 1_000_000;

/** What remains when rules that need nothing are taken away, again and again: nothing, if there is no cycle. */
function inOrTowardsCycles(edges: Edges): ReadonlySet<TreeNode> {
  const needs = new Map<TreeNode, number>();
  const neededBy = new Map<TreeNode, TreeNode[]>();
  for (const [node, targets] of edges) {
    needs.set(node, targets.size);
    for (const target of targets) {
      const users = neededBy.get(target);
      if (users === undefined) neededBy.set(target, [node]);
      else users.push(node);
    }
  }
  const free = [...needs].filter(([, count]) => count === 0).map(([node]) => node);
  for (let node = free.pop(); node !== undefined; node = free.pop()) {
    needs.delete(node);
    for (const user of neededBy.get(node) ?? []) {
      const left = (needs.get(user) ?? 0) - 1;
      needs.set(user, left);
      if (left === 0) free.push(user);
    }
  }
  return new Set(needs.keys());
}

/** For each rule the rules it can reach in one step; undefined when those are too many. */
export function dependencies(tree: TreeNode, clauses: readonly IClause[]): Edges | undefined {
  const edges = new Map<TreeNode, Set<TreeNode>>();
  let count = 0;
  for (const node of tree.descendants()) {
    if (node.definitions.length === 0) continue;
    const own = new Set<TreeNode>();
    if (node.isDynamic)
      for (const below of node.descendants()) if (below.definitions.length > 0) own.add(below);
    edges.set(node, own);
  }
  for (const clause of clauses) {
    const node = nodeAt(tree, clause.path);
    const targets = node === undefined ? undefined : edges.get(node);
    if (targets === undefined) continue;
    count -= targets.size;
    new Collector(tree, targets).clause(clause);
    count += targets.size;
    if (count > MAX_EDGES) return undefined;
  }
  return edges;
}

class Collector extends ClauseVisitor {
  readonly #tree: TreeNode;
  readonly #targets: Set<TreeNode>;

  constructor(tree: TreeNode, targets: Set<TreeNode>) {
    super();
    this.#tree = tree;
    this.#targets = targets;
  }

  override replacement(modifier: IWith): void {
    const { replacement } = modifier;
    if (replacement.kind === "function" && replacement.callee.kind === "function") {
      this.#reach(replacement.callee.path);
    }
  }

  override call(call: Call): void {
    if (call.callee.kind === "function") this.#reach(call.callee.path);
  }

  #reach(path: readonly string[]): void {
    const node = nodeAt(this.#tree, path);
    if (node !== undefined && node.definitions.length > 0) this.#targets.add(node);
  }

  override reference(term: Reference): void {
    // A variable directly below `data` would make every such rule recursive; a guard at run time covers it.
    if (term.root === "data" && term.path[0]?.t === "const") this.#follow(this.#tree, term.path, 0);
  }

  #follow(node: TreeNode, path: readonly ITerm[], at: number): void {
    if (node.definitions.length > 0) {
      if (!node.isFunction) this.#targets.add(node);
      return;
    }
    const step = path[at];
    if (step?.t === "const") {
      const child = node.child(step.value);
      if (child !== undefined) this.#follow(child, path, at + 1);
      return;
    }
    for (const child of node.children.values()) this.#follow(child, path, at + 1);
  }
}

/** A shortest way from the node back to itself. */
function cycleFrom(start: TreeNode, edges: Edges): readonly TreeNode[] | undefined {
  const cameFrom = new Map<TreeNode, TreeNode>();
  const queue: TreeNode[] = [start];
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const next of edges.get(node) ?? []) {
      if (next === start) return wayBack(start, node, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      queue.push(next);
    }
  }
  return undefined;
}

function wayBack(
  start: TreeNode,
  last: TreeNode,
  cameFrom: ReadonlyMap<TreeNode, TreeNode>,
): readonly TreeNode[] {
  const way: TreeNode[] = [start];
  for (
    let node: TreeNode | undefined = last;
    node !== undefined && node !== start;
    node = cameFrom.get(node)
  ) {
    way.unshift(node);
  }
  return [start, ...way];
}
