/** Policies that nobody ever checked: a fault in one rule does not stop the others, and never turns into a yes. */
import { describe, expect, test } from "@jest/globals";
import { compilePolicy, type EvaluationRequest } from "../../../../src/policy/rego/index.ts";
import { told } from "../../../support/rego.ts";

const SOUND = "sound := true";

function answers(rules: string, rule: string, request: EvaluationRequest = {}): unknown {
  const { policy, findings } = compilePolicy(
    [{ file: "policy.rego", text: `package policy\n${rules}\n${SOUND}` }],
    {
      checks: "parse-only",
    },
  );
  expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
  if (policy === undefined) throw new Error("parses, so it compiles");
  expect(told(policy.evaluate("data.policy.sound"))).toBe(true);
  return told(policy.evaluate(`data.policy.${rule}`, request));
}

describe("a rule with a fault fails when it is asked", () => {
  test.each([
    ["an unsafe variable", "allow if x == 1"],
    ["an unknown function", "allow if nosuch(1)"],
    ["a refused function", 'allow if http.send({"url": "x"})'],
    ["a wrong number of arguments", "allow if count(1, 2, 3)"],
    ["a variable declared twice", "allow if { x := 1; x := 2 }"],
    ["an unsafe element", "allow contains x if input.y"],
    ["an unsafe key", "allow[x] := 1 if input.y"],
    ["kinds that conflict", "allow := 1\nallow contains 2"],
    ["a default that is not constant", "default allow := input.x"],
    ["a `with` below a rule", "q := 1\nallow if true with data.policy.q.z as 2"],
  ])("%s", (_what, rules) => {
    expect(answers(rules, "allow")).toBe("eval_internal_error");
  });

  test("also under a negation, where a fault must not look like a no", () => {
    expect(answers("debug if x == 1\nallow if not debug", "allow")).toBe("eval_internal_error");
  });

  test("also as a function", () => {
    expect(answers("f(x) := nosuch(x)\nallow if not f(1)", "allow")).toBe("eval_internal_error");
    expect(answers("f := 1\nf(x) := x\nallow if not f", "allow")).toBe("eval_internal_error");
  });

  test("and one that needs itself ends as well", () => {
    expect(answers("allow if q\nq if not allow", "allow")).toBe("eval_internal_error");
    expect(["eval_budget_error", "eval_internal_error"]).toContain(
      answers("f(x) := f(x + 1)\nallow if f(1)", "allow"),
    );
  });
});

test("what is wrong is still told, as advice", () => {
  const { findings } = compilePolicy([{ file: "policy.rego", text: "package policy\nallow if x == 1" }], {
    checks: "parse-only",
  });
  expect(findings).toContainEqual(
    expect.objectContaining({ severity: "warning", code: "rego_unsafe_var_error", row: 2 }),
  );
});

test("text that does not parse is refused as ever", () => {
  const { policy } = compilePolicy([{ file: "policy.rego", text: "package policy\nallow if {" }], {
    checks: "parse-only",
  });
  expect(policy).toBeUndefined();
});
