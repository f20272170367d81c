/** From resolved clauses to the compiled document tree. */
import type { Analysis } from "../analysis/analyse.ts";
import { functionId, type IClause } from "../analysis/ir.ts";
import { dataPath, type TreeNode } from "../analysis/tree.ts";
import { compileClause, faultyClause } from "./clauses.ts";
import { type CompiledClause, type DocKind, DocNode } from "./docs.ts";

export interface Program {
  readonly root: DocNode;
  readonly functions: ReadonlyMap<string, DocNode>;
  /** How many documents there are: the size of the table of results. */
  readonly documents: number;
}

export function compileProgram({ tree, clauses, faults }: Analysis, probes: boolean): Program {
  const functions = new Map<string, DocNode>();
  const nodes = new Map<string, DocNode>();
  let documents = 0;
  const build = (node: TreeNode): DocNode => {
    const doc = new DocNode(documents, node.path, dataPath(node.path), kindOf(node));
    documents += 1;
    nodes.set(doc.name, doc);
    if (doc.kind === "function") functions.set(functionId(node.path.map(String)), doc);
    for (const [step, child] of node.children) doc.children.set(step, build(child));
    return doc;
  };
  const root = build(tree);
  const target = { root, functions, probes };
  linkAll(nodes, clauses, (clause) => {
    const fault = faults.get(clause.rule);
    return fault === undefined ? compileClause(clause, target) : faultyClause(clause, fault);
  });
  return { root, functions, documents };
}

function kindOf(node: TreeNode): DocKind {
  const [first] = node.definitions;
  if (first === undefined) return "package";
  if (node.isDynamic) return "object";
  // Kinds only differ where that was found to be a fault; a function's name would then be undefined, not a failure.
  return node.definitions.every(({ kind }) => kind === first.kind) ? first.kind : "complete";
}

function linkAll(
  nodes: ReadonlyMap<string, DocNode>,
  clauses: readonly IClause[],
  compile: (clause: IClause) => CompiledClause,
): void {
  const byRule = new Map<string, IClause[]>();
  for (const clause of clauses) {
    const name = dataPath(clause.path);
    const known = byRule.get(name);
    if (known === undefined) byRule.set(name, [clause]);
    else known.push(clause);
  }
  for (const [name, own] of byRule) {
    const fallback = own.find((clause) => clause.isDefault);
    const ordinary = own.filter((clause) => !clause.isDefault).map(compile);
    nodes.get(name)?.link(ordinary, fallback === undefined ? undefined : compile(fallback));
  }
}
