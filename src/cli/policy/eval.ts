import type { JsonValue } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import { evaluateQuery, type QuerySolution } from "../../policy/rego/index.ts";
import { misuse, type World } from "../world.ts";
import { failed } from "./errors.ts";
import {
  type Circumstances,
  compileLocal,
  errorsOf,
  evaluationRequest,
  hasPolicy,
  mergeDocuments,
  readDocument,
  readModules,
} from "./load.ts";
import { solutionValue } from "./solution.ts";

export interface SituationOptions {
  readonly policy: readonly string[];
  readonly data: readonly string[];
  readonly input?: string;
  readonly referenceValues?: string;
  readonly v0?: boolean;
  readonly lenient?: boolean;
}
export interface EvalOptions extends SituationOptions {
  readonly batch?: string;
  readonly json?: boolean;
}

/** `keywarden policy eval`: a query against policies and documents in files. */
export async function evalPolicy(
  world: World,
  query: string | undefined,
  options: EvalOptions,
): Promise<void> {
  if (options.batch !== undefined) {
    if (query !== undefined) throw misuse("Give a query or --batch, not both.");
    const { evalBatch } = await import("./batch.ts");
    return evalBatch(world, options.batch);
  }
  if (query === undefined)
    throw misuse("Give a query, data.policy.allow say, or a list of them with --batch.");
  const dialect = options.v0 === true ? "v0" : "v1";
  const modules = await readModules(options.policy);
  const circumstances = await readCircumstances(options, world);
  const compiled = compileLocal(modules, dialect);
  if (!hasPolicy(compiled)) throw failed(errorsOf(compiled.findings));
  const result = evaluateQuery(compiled.policy, query, evaluationRequest(circumstances), dialect);
  for (const line of result.prints) world.err(`${line}\n`);
  if (result.kind === "error") throw failed(result.errors);
  world.out(options.json === true ? `${resultJson(result.solutions)}\n` : resultText(result.solutions));
}

/** Input, data and reference values as the options name them. @throws CommandFailure (misuse) */
export async function readCircumstances(
  options: Omit<SituationOptions, "policy">,
  world: World,
): Promise<Circumstances> {
  const { input, referenceValues } = options;
  const data = await Promise.all(options.data.map((path) => readDocument(path, "data document")));
  return {
    input: input === undefined ? undefined : await readDocument(input, "input"),
    data: mergeDocuments(data),
    referenceValues:
      referenceValues === undefined ? {} : await readDocument(referenceValues, "list of reference values"),
    lenient: options.lenient === true,
    now: world.now(),
  };
}

/** As `opa eval` prints it: an undefined result has no `result`. */
function resultJson(solutions: readonly QuerySolution[]): string {
  if (solutions.length === 0) return "{}";
  const result = solutions.map(({ expressions, bindings }) => ({ expressions, bindings }));
  return writeJson({ result } as unknown as JsonValue); // expressions and bindings hold JSON and nothing else
}

function resultText(solutions: readonly QuerySolution[]): string {
  if (solutions.length === 0) return "undefined\n";
  return solutions.map((solution) => `${writeJson(solutionValue(solution))}\n`).join("");
}
