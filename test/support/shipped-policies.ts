import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import type { CompiledPolicy, PolicyOutcome, ReferenceValueLookup } from "../../src/policy/policy-engine.ts";
import { RegoEngine } from "../../src/policy/rego-engine.ts";

const ENGINE = new RegoEngine({ now: () => Date.UTC(2026, 5, 1) });
const FOLDER = fileURLToPath(new URL("../../policies/", import.meta.url));

export function compileText(text: string, file = "policy.rego"): CompiledPolicy {
  const { policy, findings } = ENGINE.compile([{ file, text }]);
  if (policy === undefined) throw new Error(JSON.stringify(findings));
  return policy;
}

/** @param name - below `policies/`, without `.rego` */
export function shippedPolicy(name: string): CompiledPolicy {
  return compileText(readFileSync(`${FOLDER}${name}.rego`, "utf8"), `${name}.rego`);
}

/** Reference values of one test. */
export function provisioned(values: Readonly<Record<string, JsonValue>>): ReferenceValueLookup {
  return async (ids) =>
    new Map(ids.flatMap((id) => (Object.hasOwn(values, id) ? [[id, values[id] ?? null]] : [])));
}

export async function evaluate(
  policy: CompiledPolicy,
  rule: string,
  input: JsonObject,
  values: Readonly<Record<string, JsonValue>> = {},
  data: JsonObject = {},
): Promise<PolicyOutcome> {
  const request = { input, data, referenceValues: provisioned(values) };
  return policy.evaluate(rule, request, AbortSignal.timeout(10_000));
}
