/** References to documents that the host never provides, and names that its input never has. */
import type { Analysis } from "../analysis/analyse.ts";
import type { IClause, ITerm, Reference } from "../analysis/ir.ts";
import { dataPath, type TreeNode } from "../analysis/tree.ts";
import { ClauseVisitor } from "../analysis/visit.ts";
import type { Value } from "../value.ts";
import { hint } from "./nearest.ts";
import type { InputNames, LintProfile, Warn } from "./profile.ts";

export function lintDocuments(
  profile: LintProfile,
  analysis: Analysis,
  clauses: readonly IClause[],
  warn: Warn,
): void {
  const visitor = new DocumentVisitor(profile, analysis.tree, warn);
  for (const clause of clauses) visitor.clause(clause);
}

class DocumentVisitor extends ClauseVisitor {
  readonly #profile: LintProfile;
  readonly #tree: TreeNode;
  readonly #warn: Warn;

  constructor(profile: LintProfile, tree: TreeNode, warn: Warn) {
    super();
    this.#profile = profile;
    this.#tree = tree;
    this.#warn = warn;
  }

  override reference(term: Reference): void {
    const steps = constantSteps(term.path);
    if (term.root === "data") this.#data(term, steps);
    if (term.root === "input" && this.#profile.input !== undefined) this.#input(term, steps);
  }

  #data(term: Reference, steps: readonly Value[]): void {
    if (
      steps.length === 0 ||
      this.#isRule(steps) ||
      this.#profile.documents.some((path) => meets(path, steps))
    )
      return;
    const given = this.#profile.documents.map((path) => dataPath(path));
    const meant = hint(dataPath(steps.slice(0, 1)), given);
    const has =
      given.length === 0 ? "here data holds nothing but rules" : `here data holds ${given.join(", ")}`;
    this.#warn("unknown_document", `nothing is ever at ${dataPath(steps)}: ${has}${meant}`, term.loc);
  }

  /** Whether the path leads to a rule, into one, or to a package. */
  #isRule(steps: readonly Value[]): boolean {
    let node: TreeNode | undefined = this.#tree;
    for (const step of steps) {
      if (node === undefined) return false;
      if (node.definitions.length > 0) return true;
      node = node.child(step);
    }
    return node !== undefined;
  }

  #input(term: Reference, steps: readonly Value[]): void {
    let names: InputNames = this.#profile.input ?? "any";
    for (const [at, step] of steps.entries()) {
      if (names === "any" || typeof step !== "string") return;
      const next: InputNames | undefined = Object.hasOwn(names, step) ? names[step] : names["*"];
      if (next === undefined || (!Object.hasOwn(names, step) && isMistyped(step, names))) {
        this.#unknownField(term, steps, at, names);
        return;
      }
      names = next;
    }
  }

  #unknownField(
    term: Reference,
    steps: readonly Value[],
    at: number,
    names: Readonly<Record<string, InputNames>>,
  ): void {
    const place = dataPath(steps.slice(0, at)).replace(/^data/, "input");
    const known = Object.keys(names).filter((name) => name !== "*");
    const name = String(steps[at]);
    const loc = term.path[at]?.loc ?? term.loc;
    this.#warn("unknown_field", `${place} has no member ${name}${hint(name, known)}`, loc);
  }
}

/** Where any name may stand, one that is nearly a known name is still a mistake. */
function isMistyped(name: string, names: Readonly<Record<string, InputNames>>): boolean {
  return name.length > 4 && hint(name, Object.keys(names)) !== "";
}

function constantSteps(path: readonly ITerm[]): readonly Value[] {
  const end = path.findIndex((step) => step.t !== "const");
  return (end === -1 ? path : path.slice(0, end)).flatMap((step) => (step.t === "const" ? [step.value] : []));
}

/** Whether one path is the beginning of the other. */
function meets(document: readonly string[], steps: readonly Value[]): boolean {
  return document.slice(0, steps.length).every((name, at) => name === steps[at]);
}
