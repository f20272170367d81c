/**
 * Faults in the parts of the Rego engine where a fault would release a secret: each is one replacement in the
 * source, and the tests have to notice every one of them.
 */
import type { Mutant } from "../support/seeded-faults.ts";

const REGO = "src/policy/rego";
const STEPS = `${REGO}/compile/steps.ts`;
const WITH = `${REGO}/compile/with.ts`;
const DOCS = `${REGO}/compile/docs.ts`;
const CLAUSES = `${REGO}/compile/clauses.ts`;
const EVALUATION = `${REGO}/evaluation.ts`;
const NOT = "return { test: (f, e) => !run(f, e) };";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "not: succeeds when its expression does",
    file: STEPS,
    find: NOT,
    replace: "return { test: (f, e) => run(f, e) };",
    short: true,
  },
  { name: "not: always succeeds", file: STEPS, find: NOT, replace: "return { test: () => true };" },
  { name: "not: never succeeds", file: STEPS, find: NOT, replace: "return { test: () => false };" },
  {
    name: "literals: false succeeds",
    file: STEPS,
    find: "return found !== undefined && found !== false;",
    replace: "return found !== undefined;",
  },
  {
    name: "literals: undefined succeeds",
    file: STEPS,
    find: "return found !== undefined && found !== false;",
    replace: "return found !== false;",
  },
  {
    name: "assignments: an undefined value is bound",
    file: STEPS,
    find: "f[slot] = found;\n          return found !== undefined;",
    replace: "f[slot] = found;\n          return true;",
  },
  {
    name: "patterns: arrays of another length match",
    file: STEPS,
    find: "if (!(value instanceof RArray) || value.length !== items.length) return false;",
    replace: "if (!(value instanceof RArray)) return false;",
  },
  {
    name: "patterns: objects with more members match",
    file: STEPS,
    find: "if (!(value instanceof RObject) || value.size !== entries.length) return false;",
    replace: "if (!(value instanceof RObject)) return false;",
  },
  {
    name: "every: holds for what is no collection",
    file: STEPS,
    find: 'if (typeof value !== "object" || value === null) return false;\n        return !eachChild',
    replace: 'if (typeof value !== "object" || value === null) return true;\n        return !eachChild',
    short: true,
  },
  {
    name: "every: one element is enough",
    file: STEPS,
    find: "          return !run(f, e);\n        });",
    replace:
      "          return run(f, e);\n        }) || (value.kind === 'array' && value.length > 0 && run(f, e));",
  },
  { name: "every: turned around", file: STEPS, find: "return !eachChild(", replace: "return eachChild(" },
  {
    name: "with: an undefined replacement is passed over",
    file: WITH,
    find: "if (change === undefined) return false;",
    replace: "if (change === undefined) continue;",
  },
  {
    name: "with: nothing is put back",
    file: WITH,
    find: "  e.contexts.pop();\n  restore(e, outer);",
    replace: "  e.contexts.pop();",
    short: true,
  },
  {
    name: "with: results from before are used inside",
    file: WITH,
    find: "  e.results = e.freshMemo();\n",
    replace: "",
  },
  {
    name: "with: results from inside are used after",
    file: WITH,
    find: "  e.results = context.results;\n",
    replace: "",
  },
  { name: "with: input is not put back", file: WITH, find: "  e.input = context.input;\n", replace: "" },
  { name: "with: data is not put back", file: WITH, find: "  e.data = context.data;\n", replace: "" },
  { name: "with: functions are not put back", file: WITH, find: "  e.mocks = context.mocks;\n", replace: "" },
  { name: "with: rules stay hidden", file: WITH, find: "  e.overlay = context.overlay;\n", replace: "" },
  {
    name: "with: rules are not hidden by what replaces them",
    file: WITH,
    find: "    e.overlay = (e.overlay ?? Overlay.EMPTY).with(path);\n",
    replace: "    Overlay.EMPTY.with(path);\n",
  },
  {
    name: "with: what follows sees the replacement",
    file: WITH,
    find: "  const inner = capture(e);\n  restore(e, outer);\n",
    replace: "  const inner = capture(e);\n",
  },
  {
    name: "complete rules: the first of several values counts",
    file: DOCS,
    find: "      else if (!equal(result, value)) throw this.#conflict(clause, e);\n",
    replace: "",
  },
  {
    name: "default: wins over the definitions",
    file: DOCS,
    find: "if (result === undefined && this.fallback !== undefined)",
    replace: "if (this.fallback !== undefined)",
    short: true,
  },
  {
    name: "default: is never used",
    file: DOCS,
    find: "if (result === undefined && this.fallback !== undefined)",
    replace: "if (result !== undefined && this.fallback === undefined)",
  },
  {
    name: "else: the last branch counts",
    file: DOCS,
    find: "    if (value !== undefined) return value;\n  }\n  return undefined;",
    replace:
      "    if (value !== undefined && branch === clause.branches.at(-1)) return value;\n  }\n  return undefined;",
    short: true,
  },
  {
    name: "functions: arguments need not match",
    file: DOCS,
    find: "if (args !== undefined && !clause.accept(args, frame, e)) return undefined;",
    replace: "if (args !== undefined) clause.accept(args, frame, e);",
  },
  {
    name: "rules that need themselves have no value",
    file: DOCS,
    find: "if (known === IN_PROGRESS) throw e.fail(",
    replace: "if (known === IN_PROGRESS) return undefined; if (known === null) throw e.fail(",
  },
  {
    name: "object comprehensions: a second value for a key is dropped",
    file: DOCS,
    find: '    else if (!equal(before, value))\n      throw this.#e.fail("eval_conflict_error", "object keys must be unique", this.#loc);',
    replace: "",
  },
  {
    name: "one definition: a second value is dropped",
    file: CLAUSES,
    find: 'if (!equal(before, found)) throw e.fail("eval_conflict_error", message, clause.loc);\n',
    replace: "",
  },
  {
    name: "one definition: the search ends too early",
    file: CLAUSES,
    find: "return firstIsEnough;",
    replace: "return true;",
  },
  {
    name: "strict: a failing built-in is passed over",
    file: EVALUATION,
    find: "    if (this.strict) throw fault;\n",
    replace: "",
    short: true,
  },
  {
    name: "errors: conflicts and budgets are passed over like failing built-ins",
    file: EVALUATION,
    find: "if (!(error instanceof BuiltinError)) throw error;",
    replace: "if (!(error instanceof BuiltinError)) return undefined;",
  },
  {
    name: "host functions: an answer of another type is taken",
    file: EVALUATION,
    find: "if (!fits(answer, result)) {",
    replace: "if (!fits(answer, result) && this.strict === undefined) {",
  },
  {
    name: "evaluation is lenient unless asked",
    file: `${REGO}/run.ts`,
    find: "strict: request.strict ?? true,",
    replace: "strict: request.strict ?? false,",
  },
  {
    name: "budgets: steps are not counted",
    file: `${REGO}/budget.ts`,
    find: '    if (this.#stepsLeft < 0) throw new BudgetError("steps");\n',
    replace: "",
  },
  {
    name: "safety: unbound variables are not reported",
    file: `${REGO}/analysis/safety.ts`,
    find: "if (waiting.size > 0)",
    replace: "if (waiting.size < 0)",
  },
  {
    name: "recursion: is not refused",
    file: `${REGO}/analysis/recursion.ts`,
    find: "if (cycle === undefined || loc === undefined) continue;",
    replace: "if (cycle !== undefined || loc === undefined) continue;",
  },
  {
    name: "release: any value that is not false releases",
    file: "src/broker/release.ts",
    find: 'if (outcome.value === true) return { outcome: "allowed", reason: "allowed" };',
    replace: 'if (outcome.value !== false) return { outcome: "allowed", reason: "allowed" };',
    short: true,
  },
  {
    name: "release: truthy values release",
    file: "src/broker/release.ts",
    find: 'if (outcome.value === true) return { outcome: "allowed", reason: "allowed" };',
    replace: 'if (outcome.value) return { outcome: "allowed", reason: "allowed" };',
  },
  {
    name: "reference values: an unknown one is no null",
    file: "src/policy/rego-engine.ts",
    find: "fromJson(found.get(id) ?? null)",
    replace: "fromJson(found.get(id) ?? true)",
  },
];
