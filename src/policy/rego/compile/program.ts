/** From resolved clauses to the compiled document tree. */
import { functionId, type IClause } from "../analysis/ir.ts";
import { dataPath, type TreeNode } from "../analysis/tree.ts";
import { type CompileTarget, compileClause } from "./clauses.ts";
import { type DocKind, DocNode } from "./docs.ts";

export interface Program {
  readonly root: DocNode;
  readonly functions: ReadonlyMap<string, DocNode>;
  /** How many documents there are: the size of the table of results. */
  readonly documents: number;
}

export function compileProgram(tree: TreeNode, clauses: readonly IClause[], probes: boolean): Program {
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
  linkAll(nodes, clauses, { root, functions, probes });
  return { root, functions, documents };
}

function kindOf(node: TreeNode): DocKind {
  const [first] = node.definitions;
  if (first === undefined) return "package";
  return node.isDynamic ? "object" : first.kind;
}

function linkAll(
  nodes: ReadonlyMap<string, DocNode>,
  clauses: readonly IClause[],
  target: CompileTarget,
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
    const ordinary = own.filter((clause) => !clause.isDefault).map((clause) => compileClause(clause, target));
    nodes.get(name)?.link(ordinary, fallback === undefined ? undefined : compileClause(fallback, target));
  }
}
