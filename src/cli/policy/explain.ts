import type { JsonValue } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import {
  type Explanation,
  explain,
  type Policy,
  renderWhyNot,
  type Trace,
  traceEvaluation,
} from "../../policy/rego/index.ts";
import { misuse, type World } from "../world.ts";
import { failed } from "./errors.ts";
import { readCircumstances, type SituationOptions } from "./eval.ts";
import { compileLocal, errorsOf, evaluationRequest, hasPolicy, readModules } from "./load.ts";

export interface ExplainOptions extends SituationOptions {
  readonly trace?: boolean;
  readonly json?: boolean;
}

/**
 * `keywarden policy explain`: why a rule is what it is. The values it shows are evidence, so this is for people at
 * a terminal, not for logs.
 */
export async function explainPolicy(world: World, rule: string, options: ExplainOptions): Promise<void> {
  const modules = await readModules(options.policy);
  const circumstances = await readCircumstances(options, world);
  const compiled = compileLocal(modules, options.v0 === true ? "v0" : "v1");
  if (!hasPolicy(compiled)) throw failed(errorsOf(compiled.findings));
  const path = rulePath(compiled.policy, rule);
  const request = evaluationRequest(circumstances);
  if (options.trace === true)
    report(world, traceEvaluation(compiled.policy, path, request), options, traceText);
  else report(world, explain(compiled.policy, path, request), options, explanationText);
}

function report<T extends Trace | Explanation>(
  world: World,
  result: T,
  options: ExplainOptions,
  textOf: (result: T) => string,
): void {
  const { outcome } = result;
  for (const line of outcome.stats.prints) world.err(`${line}\n`);
  if (options.json === true) world.out(`${writeJson(jsonOf(result))}\n`);
  else world.out(textOf(result));
  if (outcome.kind !== "error") return;
  const { code, message, location } = outcome.error;
  throw failed([{ code, message, ...(location === undefined ? {} : { location }) }]);
}

function jsonOf(result: Trace | Explanation): JsonValue {
  const { stats: _, ...outcome } = result.outcome;
  const shown =
    outcome.kind === "error"
      ? { kind: "error", code: outcome.error.code, message: outcome.error.message }
      : outcome;
  const rest =
    "whyNot" in result ? { whyNot: result.whyNot } : { trace: result.lines, complete: result.complete };
  return { outcome: shown, ...rest } as unknown as JsonValue; // strings, numbers and JSON throughout
}

function explanationText({ whyNot }: Explanation): string {
  return `${renderWhyNot(whyNot)}\n`;
}

function traceText({ lines, complete }: Trace): string {
  return `${lines.map((line) => `${line}\n`).join("")}${complete ? "" : "… the rest is cut off\n"}`;
}

/** `allow` is `data.policy.allow`. @throws CommandFailure (misuse) when no module defines it */
function rulePath(policy: Policy, rule: string): string {
  const known = policy.entryPoints;
  const path = rule.startsWith("data.") ? rule : `data.policy.${rule}`;
  if (known.includes(path)) return path;
  throw misuse(`There is no rule ${path}; there are ${known.slice(0, 20).join(", ") || "none"}.`);
}
