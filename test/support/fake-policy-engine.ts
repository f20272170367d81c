import { createHash } from "node:crypto";
import type { CompiledPolicy, Finding, PolicyEngine, PolicyModule } from "../../src/policy/policy-engine.ts";

/**
 * An engine for tests of what surrounds an engine: text holding `SYNTAX_ERROR` does not compile, rules are the
 * words before ` := `, and evaluation gives the text itself.
 */
export const fakePolicyEngine: PolicyEngine = {
  compile(modules: readonly PolicyModule[]) {
    const [module = { file: "", text: "" }] = modules;
    const lines = module.text.split("\n");
    const row = lines.findIndex((line) => line.includes("SYNTAX_ERROR"));
    if (row >= 0)
      return { findings: [errorAt(module.file, row + 1, (lines[row] ?? "").indexOf("SYNTAX_ERROR") + 1)] };
    return { policy: compiled(module.text), findings: [] };
  },
};

function errorAt(file: string, row: number, col: number): Finding {
  return {
    severity: "error",
    code: "rego_parse_error",
    message: "unexpected token",
    file,
    row,
    col,
    endRow: row,
    endCol: col + 1,
  };
}

function compiled(text: string): CompiledPolicy {
  return {
    hash: createHash("sha384").update(text).digest("hex"),
    entryPoints: [...text.matchAll(/(\w+) :=/g)].map(([, name]) => `data.policy.${name}`),
    evaluate: async () => ({ kind: "value", value: text, prints: [] }),
    evaluateAll: async (paths) => paths.map(() => ({ kind: "value", value: text, prints: [] })),
  };
}
