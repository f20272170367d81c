import { describe, expect, test } from "@jest/globals";
import { compilePolicy, type EvaluationRequest, explainMembers } from "../../../../src/policy/rego/index.ts";

function explained(text: string, input: unknown = {}, request: EvaluationRequest = {}) {
  const { policy, findings } = compilePolicy([{ file: "p.rego", text }]);
  if (policy === undefined) throw new Error(JSON.stringify(findings));
  return explainMembers(policy, "data.policy.t", { input, ...request });
}

const RULES = `package policy

default hardware := 97

hardware := 2 if {
	known
	input.svn > 3
}

known if input.id == "a"

t := {"hardware": hardware, "file-system": 0, "sum": input.svn + 1}
`;

describe("where the members of an object come from", () => {
  test("a constant, a rule and an expression are told apart, with their place", () => {
    const { members } = explained(RULES, { id: "a", svn: 4 });
    expect(members.map(({ name, kind, text, location }) => [name, kind, text, location?.row])).toEqual([
      ["file-system", "constant", "0", 12],
      ["hardware", "rule", "hardware", 12],
      ["sum", "expression", "input.svn + 1", 12],
    ]);
  });

  test("a definition that holds shows every literal, what it saw, and the rules it asked", () => {
    const [, hardware] = explained(RULES, { id: "a", svn: 4 }).members;
    const [branch] = hardware?.rule?.branches ?? [];
    expect(branch).toMatchObject({ result: "succeeded", location: { row: 5 } });
    expect(branch?.held).toMatchObject([
      { text: "known", location: { row: 6 }, because: [{ rule: "data.policy.known", value: "true" }] },
      { text: "input.svn > 3", seen: [{ text: "input.svn", value: "4" }] },
    ]);
  });

  test("a default shows where it stands, and what kept the definitions from holding", () => {
    const [, hardware] = explained(RULES, { id: "a", svn: 3 }).members;
    expect(hardware?.rule).toMatchObject({
      value: "97",
      defaultAt: { row: 3 },
      branches: [
        { result: "failed", literal: { text: "input.svn > 3" }, seen: [{ text: "input.svn", value: "3" }] },
      ],
    });
  });

  test("of several definitions the members are those of the one that holds", () => {
    const text = 'package policy\n\nt := {"a": 1} if input.x\n\nt := {"a": 2} if not input.x\n';
    expect(explained(text, { x: true }).members[0]?.location?.row).toBe(3);
    expect(explained(text, {}).members[0]?.location?.row).toBe(5);
  });

  test("an object that is not written down has members without a place", () => {
    const text = 'package policy\n\nt[name] := 1 if some name in ["a", "b"]\n';
    expect(explained(text).members).toEqual([
      { name: "a", text: undefined, location: undefined, kind: "unknown", rule: undefined },
      { name: "b", text: undefined, location: undefined, kind: "unknown", rule: undefined },
    ]);
  });

  test("an answer that is no object, or none, has no members", () => {
    expect(explained("package policy\n\nt := 1\n").members).toEqual([]);
    const none = explained("package policy\n\nt := {} if input.x\n");
    expect(none).toMatchObject({ outcome: { kind: "undefined" }, members: [] });
    expect(none.whole.branches).toMatchObject([{ result: "failed" }]);
  });
});
