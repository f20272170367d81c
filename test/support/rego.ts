import type { CompileOptions, EvaluationRequest, Outcome, Policy } from "../../src/policy/rego/index.ts";
import { compilePolicy } from "../../src/policy/rego/index.ts";

/** Compiles one module `package policy` around the rules; throws what is wrong with them. */
export function policyOf(rules: string, options: CompileOptions = {}): Policy {
  const { policy, findings } = compilePolicy(
    [{ file: "policy.rego", text: `package policy\n\n${rules}\n` }],
    options,
  );
  if (policy !== undefined) return policy;
  const [first] = findings.filter((finding) => finding.severity === "error");
  throw new Error(`${first?.row}:${first?.col} ${first?.code}: ${first?.message}`);
}

/** Codes of the errors that a module `package policy` around the rules is refused for. */
export function refusals(rules: string, options: CompileOptions = {}): readonly string[] {
  const { findings } = compilePolicy(
    [{ file: "policy.rego", text: `package policy\n\n${rules}\n` }],
    options,
  );
  return findings.filter((finding) => finding.severity === "error").map((finding) => finding.code);
}

/** What `data.policy.<rule>` is worth: the value, `"undefined"`, or the code of the error. */
export function answer(
  rules: string,
  rule: string,
  request: EvaluationRequest = {},
  options: CompileOptions = {},
): unknown {
  return told(policyOf(rules, options).evaluate(`data.policy.${rule}`, request));
}

export function told(outcome: Outcome): unknown {
  if (outcome.kind === "value") return outcome.value;
  return outcome.kind === "undefined" ? "undefined" : outcome.error.code;
}
