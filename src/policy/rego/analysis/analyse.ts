/** All static passes, in order; each stage needs the one before it to be free of errors. */
import type { Module, Rule } from "../ast.ts";
import { checkDefault } from "./defaults.ts";
import { Environment, type World } from "./environment.ts";
import type { HostFunction, IClause } from "./ir.ts";
import { type Finding, Problems } from "./problems.ts";
import { checkRecursion } from "./recursion.ts";
import { BodyResolver } from "./resolve-body.ts";
import { SafetyPlanner } from "./safety.ts";
import { buildTree, checkConflicts, type TreeNode } from "./tree.ts";
import { checkTypes } from "./types.ts";

export interface AnalysisOptions {
  readonly hosts: ReadonlyMap<string, HostFunction>;
  readonly allowMockedBuiltins: boolean;
  /** Go on past errors: a rule that has one is kept apart, to fail when it is evaluated. */
  readonly tolerant: boolean;
}

export interface Analysis {
  readonly problems: Problems;
  readonly world: World;
  readonly tree: TreeNode;
  readonly clauses: readonly IClause[];
  /** Only of a tolerant analysis: rules that must not be run, each with an error that was found in it. */
  readonly faults: ReadonlyMap<Rule, Finding>;
}

export function analyse(modules: readonly Module[], options: AnalysisOptions): Analysis {
  return new Analyser(modules, options).run();
}

class Analyser {
  readonly #modules: readonly Module[];
  readonly #options: AnalysisOptions;
  readonly #problems: Problems = new Problems();
  readonly #faults: Map<Rule, Finding> = new Map();

  constructor(modules: readonly Module[], options: AnalysisOptions) {
    this.#modules = modules;
    this.#options = options;
  }

  run(): Analysis {
    const problems = this.#problems;
    for (const rule of this.#modules.flatMap((module) => module.rules)) {
      this.#guard([rule], () => checkDefault(rule, problems));
    }
    const tree = buildTree(this.#modules, problems, this.#guard);
    const world: World = { tree, problems, ...this.#options };
    const clauses = this.#mayGoOn() ? this.#resolve(world) : [];
    if (this.#mayGoOn()) checkConflicts(tree, problems, this.#guard);
    if (this.#mayGoOn()) this.#plan(clauses);
    const sound = clauses.filter((clause) => !this.#faults.has(clause.rule));
    // Rules that need themselves are also caught while they run, so a tolerant analysis only reports them.
    if (this.#mayGoOn()) checkRecursion(tree, sound, problems);
    if (this.#mayGoOn()) checkTypes(tree, sound, problems);
    return { problems, world, tree, clauses, faults: this.#faults };
  }

  #mayGoOn(): boolean {
    return this.#options.tolerant || !this.#problems.hasErrors;
  }

  /** Runs a check of some rules, and puts them on the list of those that must not run when it finds an error. */
  readonly #guard = (rules: readonly Rule[], check: () => void): void => {
    const fault = this.#problems.during(check);
    if (fault !== undefined && this.#options.tolerant)
      for (const rule of rules) this.#faults.set(rule, fault);
  };

  #plan(clauses: readonly IClause[]): void {
    const planner = new SafetyPlanner(this.#problems);
    for (const clause of clauses) {
      if (!this.#faults.has(clause.rule)) this.#guard([clause.rule], () => planner.clause(clause));
    }
  }

  #resolve(world: World): IClause[] {
    const resolvers = new Map<Module, BodyResolver>();
    for (const module of this.#modules)
      resolvers.set(module, new BodyResolver(new Environment(world, module)));
    const clauses: IClause[] = [];
    const visit = (node: TreeNode): void => {
      for (const definition of node.definitions) {
        const resolve = (): void => {
          clauses.push(...(resolvers.get(definition.module)?.clauses(definition) ?? []));
        };
        this.#guard([definition.rule], resolve);
      }
      for (const child of node.children.values()) visit(child);
    };
    visit(world.tree);
    return clauses;
  }
}
