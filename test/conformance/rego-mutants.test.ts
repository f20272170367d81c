/** Faults put into the engine on purpose: each must change the answer of some case, or the cases are too weak. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "@jest/globals";
import * as engine from "../../src/policy/rego/index.ts";
import { DANGERS, type DangerCase, NEEDED } from "../support/rego-dangers.ts";

type Engine = Pick<typeof engine, "compilePolicy" | "NeedHostValue">;

interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const MUTANTS: readonly Mutant[] = [
  {
    name: "`not` is lost",
    file: "compile/steps.ts",
    find: "test: (f, e) => !run(f, e)",
    replace: "test: (f, e) => run(f, e)",
  },
  {
    name: "`not` takes named variables that nothing binds",
    file: "analysis/safety.ts",
    find: 'if (variable.name !== "_" && !lifter.bound.has(variable)) lifter.missing.add(variable);',
    replace: "",
  },
  {
    name: "`false` succeeds",
    file: "compile/steps.ts",
    find: "return found !== undefined && found !== false;",
    replace: "return found !== undefined;",
  },
  {
    name: "undefined succeeds",
    file: "compile/steps.ts",
    find: "return found !== undefined && found !== false;",
    replace: "return found !== false;",
  },
  {
    name: "`every` becomes `some`",
    file: "compile/steps.ts",
    find: "return !run(f, e);\n        });",
    replace: "return run(f, e);\n        });",
  },
  {
    name: "`every` holds for what is no collection",
    file: "compile/steps.ts",
    find: 'if (typeof value !== "object" || value === null) return false;\n        return !eachChild',
    replace: 'if (typeof value !== "object" || value === null) return true;\n        return !eachChild',
  },
  {
    name: "the default always counts",
    file: "compile/docs.ts",
    find: "if (result === undefined && this.fallback !== undefined)",
    replace: "if (this.fallback !== undefined)",
  },
  {
    name: "the default never counts",
    file: "compile/docs.ts",
    find: "if (result === undefined && this.fallback !== undefined)",
    replace: "if (result !== undefined && this.fallback !== undefined)",
  },
  {
    name: "`else` is reached past a success",
    file: "compile/docs.ts",
    find: "if (value !== undefined) return value;\n  }",
    replace: "if (value === true) return value;\n  }",
  },
  {
    name: "definitions may disagree",
    file: "compile/docs.ts",
    find: "else if (!equal(result, value)) throw this.#conflict(clause, e);",
    replace: "",
  },
  {
    name: "solutions may disagree",
    file: "compile/clauses.ts",
    find: 'if (!equal(before, found)) throw e.fail("eval_conflict_error", message, clause.loc);',
    replace: "",
  },
  {
    name: "the first solution is taken for all",
    file: "compile/clauses.ts",
    find: "if (late.has(variable)) varies = true;",
    replace: "",
  },
  {
    name: "definitions count as alike",
    file: "compile/docs.ts",
    find: "constants.every((c) => c !== undefined && equal(c, first))",
    replace: "true",
  },
  {
    name: "an object's conflicts are forgotten",
    file: "compile/docs.ts",
    find: "if (found.conflict) throw this.#keyConflict(e);",
    replace: "",
  },
  {
    name: "a rule that needs itself is undefined",
    file: "compile/docs.ts",
    find: "if (known === IN_PROGRESS) throw",
    replace: "if (known === IN_PROGRESS) return undefined; else if (known === IN_PROGRESS) throw",
  },
  {
    name: "any argument matches",
    file: "compile/docs.ts",
    find: "if (args !== undefined && !clause.accept(args, frame, e)) return undefined;",
    replace: "if (args !== undefined) clause.accept(args, frame, e);",
  },
  {
    name: "`with` stays in force",
    file: "compile/with.ts",
    find: "e.contexts.pop();\n  restore(e, outer);",
    replace: "e.contexts.pop();",
  },
  {
    name: "`with` keeps old results",
    file: "compile/with.ts",
    find: "e.results = e.freshMemo();",
    replace: "",
  },
  {
    name: "`with` covers what follows",
    file: "compile/with.ts",
    find: "restore(e, outer);\n  const stop = next(f, e);",
    replace: "const stop = next(f, e);",
  },
  {
    name: "rules show through replaced data",
    file: "compile/with.ts",
    find: "e.overlay = (e.overlay ?? Overlay.EMPTY).with(path);",
    replace: "",
  },
  {
    name: "an undefined replacement is passed over",
    file: "compile/with.ts",
    find: "if (change === undefined) return false;",
    replace: "if (change === undefined) continue;",
  },
  {
    name: "a mock replaces itself inside itself",
    file: "compile/calls.ts",
    find: "e.mocks = undefined;\n",
    replace: "",
  },
  {
    name: "a failing built-in is undefined",
    file: "evaluation.ts",
    find: "if (this.strict) throw fault;",
    replace: "",
  },
  {
    name: "a missing host value is null",
    file: "evaluation.ts",
    find: "if (answer === undefined) throw new NeedHostValue(name, args);",
    replace: "if (answer === undefined) return null;",
  },
  {
    name: "arrays iterate over their first element",
    file: "compile/access.ts",
    find: "if (visit(at, items[at] as Value)) return true;",
    replace: "return visit(at, items[at] as Value);",
  },
  {
    name: "objects iterate over their first member",
    file: "compile/access.ts",
    find: "if (member !== undefined && visit(name, member)) return true;",
    replace: "if (member !== undefined) return visit(name, member);",
  },
  {
    name: "array patterns match longer arrays",
    file: "compile/steps.ts",
    find: "|| value.length !== items.length",
    replace: "",
  },
  {
    name: "object patterns match larger objects",
    file: "compile/steps.ts",
    find: "|| value.size !== entries.length",
    replace: "",
  },
  { name: "steps cost nothing", file: "budget.ts", find: "this.#stepsLeft -= steps;", replace: "" },
];

const SOURCE = fileURLToPath(new URL("../../src/policy/rego/", import.meta.url));
/** Inside the checkout, so that packages are found. */
const WORKSHOP = mkdtempSync(join(fileURLToPath(new URL("../../", import.meta.url)), ".mutants-"));

afterAll(() => rmSync(WORKSHOP, { recursive: true, force: true }));

const HOST = { name: "ask", arity: 1, params: ["string"], result: "any" } as const;

function answer({ compilePolicy, NeedHostValue }: Engine, { rules, input }: DangerCase): unknown {
  const { policy } = compilePolicy([{ file: "policy.rego", text: `package policy\n${rules}` }], {
    host: [HOST],
  });
  if (policy === undefined) return "does not compile";
  try {
    const outcome = policy.evaluate("data.policy.p", {
      input,
      limits: { steps: 8_000, wallClockMilliseconds: 60_000 },
    });
    if (outcome.kind === "value") return outcome.value;
    return outcome.kind === "undefined" ? "undefined" : outcome.error.code;
  } catch (error) {
    return error instanceof NeedHostValue ? NEEDED : "threw";
  }
}

/** The engine with one fault in it. */
async function mutated(mutant: Mutant, at: number): Promise<Engine> {
  const folder = join(WORKSHOP, String(at));
  mkdirSync(folder);
  cpSync(SOURCE, folder, { recursive: true });
  const file = join(folder, mutant.file);
  const text = readFileSync(file, "utf8");
  expect(text.split(mutant.find)).toHaveLength(2); // the place exists, and once
  writeFileSync(
    file,
    text.replace(mutant.find, () => mutant.replace),
  );
  return (await import(pathToFileURL(join(folder, "index.ts")).href)) as Engine; // a copy of the module imported above
}

test.each(DANGERS)("$rules of $input is $answer", (danger) => {
  expect(answer(engine, danger)).toEqual(danger.answer);
});

describe("a fault is noticed:", () => {
  test.each(MUTANTS.map((mutant, at) => [mutant.name, mutant, at] as const))(
    "%s",
    async (_name, mutant, at) => {
      const faulty = await mutated(mutant, at);
      const changed = DANGERS.filter((danger) => {
        const got = answer(faulty, danger);
        return JSON.stringify(got) !== JSON.stringify(danger.answer);
      });
      expect(changed.length).toBeGreaterThan(0);
    },
  );
});
