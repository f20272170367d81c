/** Edges of documents and operators, each checked against OPA. */
import { describe, expect, test } from "@jest/globals";
import { compilePolicy, type EvaluationRequest } from "../../../../src/policy/rego/index.ts";

/** The value of the package `a`; undefined also for errors, whose code is then the answer. */
function evaluate(rules: string, request: EvaluationRequest = {}): unknown {
  const { policy, findings } = compilePolicy([{ file: "a.rego", text: `package a\n${rules}` }]);
  if (policy === undefined) return findings[0]?.code;
  const outcome = policy.evaluate("data.a", request);
  if (outcome.kind === "error") return outcome.error.code;
  return outcome.kind === "value" ? outcome.value : undefined;
}

describe("partial documents below heads with variables", () => {
  test("a set at a constant path is there without members", () => {
    expect(evaluate('d["k"] contains x if some x in input.none')).toEqual({ d: { k: [] } });
  });

  test("beside a head with a variable, only what has solutions is there", () => {
    const rules = `
      d[x] contains x if some x in input.none
      d["k"] contains x if some x in input.none
      d["l"].m contains x if some x in ["only"]`;
    expect(evaluate(rules)).toEqual({ d: { l: { m: ["only"] } } });
  });

  test("the same for objects, at every depth", () => {
    const rules = `
      g[x].y := x if some x in input.none
      g["k"].z := x if some x in input.none
      g["l"].m[x] := 1 if some x in input.none`;
    expect(evaluate(rules)).toEqual({ g: {} });
  });
});

describe("membership with a key", () => {
  test("a member of a set is its own key", () => {
    expect(evaluate("r if 2, 2 in {1, 2}")).toEqual({ r: true });
    expect(evaluate("r if 1, 2 in {1, 2}")).toEqual({});
    expect(evaluate("r if 3, 3 in {1, 2}")).toEqual({});
  });
});
