/** The document tree that the rules of all modules span below `data`. */
import type { Module, Rule, Term } from "../ast.ts";
import { key } from "../compare.ts";
import type { Location } from "../errors.ts";
import { isDigit, isLetter } from "../lexer.ts";
import { sourceForm } from "../text.ts";
import type { Value } from "../value.ts";
import type { Problems } from "./problems.ts";

export interface Definition {
  readonly module: Module;
  readonly rule: Rule;
  readonly kind: "complete" | "set" | "function";
  /** Constant steps below `data`: the package, then the head up to its first variable. */
  readonly path: readonly Value[];
  /** Steps of the head behind that. */
  readonly suffix: readonly Term[];
  readonly args: readonly Term[];
  /** Element of a partial set. */
  readonly element: Term | undefined;
  readonly loc: Location;
}

/** A node holds the definitions whose constant path ends there. */
export class TreeNode {
  readonly path: readonly Value[];
  readonly children: Map<string, TreeNode> = new Map();
  readonly definitions: Definition[] = [];
  isPackage = false;

  constructor(path: readonly Value[]) {
    this.path = path;
  }

  child(step: Value): TreeNode | undefined {
    return this.children.get(key(step));
  }

  ensure(step: Value): TreeNode {
    const id = key(step);
    const known = this.children.get(id);
    if (known !== undefined) return known;
    const made = new TreeNode([...this.path, step]);
    this.children.set(id, made);
    return made;
  }

  /** What the key of this node is under its parent. */
  get step(): Value {
    return this.path.at(-1) ?? null;
  }

  get isDynamic(): boolean {
    return this.definitions.some((definition) => definition.suffix.length > 0);
  }

  get isFunction(): boolean {
    return this.definitions[0]?.kind === "function";
  }

  *descendants(): Generator<TreeNode> {
    for (const child of this.children.values()) {
      yield child;
      yield* child.descendants();
    }
  }
}

/** What a head defines. In v0 `p[x] { … }` is a partial set; with `if`, and in v1, an object entry. */
export function definitionOf(module: Module, rule: Rule): Definition {
  const { head } = rule;
  const base: Value[] = [...module.packagePath, head.name.name];
  const loc = head.loc;
  const common = { module, rule, loc, args: head.args ?? [] };
  const only = head.path.length === 1 ? head.path[0] : undefined;
  const isV0Set =
    module.dialect === "v0" &&
    only !== undefined &&
    !rule.hasIf &&
    head.value === undefined &&
    head.args === undefined;
  if (isV0Set && head.contains === undefined) {
    return { ...common, kind: "set", path: base, suffix: [], element: only };
  }
  const constant = head.path.findIndex((step) => step.kind !== "scalar");
  const cut = constant < 0 ? head.path.length : constant;
  const steps = head.path.slice(0, cut).map((step) => (step.kind === "scalar" ? step.value : null));
  // `f() = 1` has no parameters and is no function but a rule.
  const kind = (head.args?.length ?? 0) > 0 ? "function" : head.contains !== undefined ? "set" : "complete";
  return { ...common, kind, path: [...base, ...steps], suffix: head.path.slice(cut), element: head.contains };
}

/** @param guard - runs the checks of one rule, and may remember what they found */
export function buildTree(
  modules: readonly Module[],
  problems: Problems,
  guard: (rules: readonly Rule[], check: () => void) => void,
): TreeNode {
  const root = new TreeNode([]);
  for (const module of modules) {
    let node = root;
    for (const step of module.packagePath) node = node.ensure(step);
    node.isPackage = true;
    for (const rule of module.rules) guard([rule], () => addRule(root, module, rule, problems));
  }
  return root;
}

function addRule(root: TreeNode, module: Module, rule: Rule, problems: Problems): void {
  const { name } = rule.head.name;
  if (module.dialect === "v1" && (name === "input" || name === "data")) {
    const message = `rules must not shadow ${name} (use a different rule name)`;
    problems.error("rego_compile_error", message, rule.head.loc);
  }
  const definition = definitionOf(module, rule);
  if (definition.kind === "function" && definition.suffix.length > 0) {
    problems.error("rego_compile_error", "function name must not contain variables", rule.head.loc);
  }
  let node = root;
  for (const step of definition.path) node = node.ensure(step);
  node.definitions.push(definition);
}

/** Reports nodes whose definitions cannot live together. */
export function checkConflicts(
  root: TreeNode,
  problems: Problems,
  guard: (rules: readonly Rule[], check: () => void) => void,
): void {
  for (const node of root.descendants()) {
    if (node.definitions.length === 0) continue;
    const concerned = [node, ...node.descendants()].flatMap(({ definitions }) =>
      definitions.map(({ rule }) => rule),
    );
    guard(concerned, () => checkNode(node, problems));
  }
}

function checkNode(node: TreeNode, problems: Problems): void {
  const [first] = node.definitions;
  if (first === undefined) return;
  const name = dataPath(node.path);
  const below = conflictsBelow(node);
  if (below.length > 0) {
    problems.error(
      "rego_type_error",
      `rule ${name} conflicts with [${below.map(dataPath).join(", ")}]`,
      first.loc,
    );
  }
  const kinds = new Set(node.definitions.map((d) => (d.suffix.length > 0 ? "object" : d.kind)));
  const arities = new Set(node.definitions.map((d) => d.args.length));
  if (kinds.size > 1 || arities.size > 1) {
    problems.error("rego_type_error", `conflicting rules ${name} found`, first.loc);
  }
  const defaults = node.definitions.filter((d) => d.rule.isDefault);
  if (defaults.length > 1) {
    const places = defaults.map((d) => `${d.loc.file}:${d.loc.row}`).join(", ");
    // The finding stands at the package, because no single one of them is at fault; the message has the places.
    const at = first.module.packageLoc;
    problems.error("rego_type_error", `multiple default rules ${name} found at ${places}`, at);
  }
}

/** A rule with a variable in its head shares its object with rules below it; any other rule may have none below. */
function conflictsBelow(node: TreeNode): (readonly Value[])[] {
  if (node.definitions.every((d) => d.suffix.length > 0)) return [];
  return [...node.descendants()].filter((d) => d.definitions.length > 0 || d.isPackage).map((d) => d.path);
}

/** `data.a.b["c d"]`, as messages spell a path. */
export function dataPath(path: readonly Value[]): string {
  return path.reduce<string>((text, step) => text + stepText(step), "data");
}

function stepText(step: Value): string {
  return typeof step === "string" && isPlainName(step) ? `.${step}` : `[${sourceForm(step)}]`;
}

export function isPlainName(text: string): boolean {
  if (!isLetter(text.charCodeAt(0))) return false;
  for (let at = 1; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (!isLetter(unit) && !isDigit(unit)) return false;
  }
  return true;
}

/** The node at a path, or undefined where the rules define nothing. */
export function nodeAt(root: TreeNode, path: readonly Value[]): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const step of path) node = node?.child(step);
  return node;
}
