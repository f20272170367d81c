/** All static passes, in order; each stage needs the one before it to be free of errors. */
import type { Module } from "../ast.ts";
import { checkDefault } from "./defaults.ts";
import { Environment, type World } from "./environment.ts";
import type { HostFunction, IClause } from "./ir.ts";
import { Problems } from "./problems.ts";
import { checkRecursion } from "./recursion.ts";
import { BodyResolver } from "./resolve-body.ts";
import { SafetyPlanner } from "./safety.ts";
import { buildTree, checkConflicts, type TreeNode } from "./tree.ts";
import { checkTypes } from "./types.ts";

export interface AnalysisOptions {
  readonly hosts: ReadonlyMap<string, HostFunction>;
  readonly allowMockedBuiltins: boolean;
}

export interface Analysis {
  readonly problems: Problems;
  readonly world: World;
  readonly tree: TreeNode;
  readonly clauses: readonly IClause[];
}

export function analyse(modules: readonly Module[], options: AnalysisOptions): Analysis {
  const problems = new Problems();
  for (const module of modules) for (const rule of module.rules) checkDefault(rule, problems);
  const tree = buildTree(modules, problems);
  const world: World = { tree, problems, ...options };
  const clauses = problems.hasErrors ? [] : resolveAll(world, modules);
  if (!problems.hasErrors) checkConflicts(tree, problems);
  if (!problems.hasErrors) {
    const planner = new SafetyPlanner(problems);
    for (const clause of clauses) planner.clause(clause);
  }
  if (!problems.hasErrors) checkRecursion(tree, clauses, problems);
  if (!problems.hasErrors) checkTypes(tree, clauses, problems);
  return { problems, world, tree, clauses };
}

function resolveAll(world: World, modules: readonly Module[]): IClause[] {
  const resolvers = new Map<Module, BodyResolver>();
  for (const module of modules) resolvers.set(module, new BodyResolver(new Environment(world, module)));
  const clauses: IClause[] = [];
  const visit = (node: TreeNode): void => {
    for (const definition of node.definitions) {
      clauses.push(...(resolvers.get(definition.module)?.clauses(definition) ?? []));
    }
    for (const child of node.children.values()) visit(child);
  };
  visit(world.tree);
  return clauses;
}
