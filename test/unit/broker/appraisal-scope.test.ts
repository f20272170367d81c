import { describe, expect, test } from "@jest/globals";
import { AppraisalScopes } from "../../../src/broker/appraisal-scope.ts";
import type { JsonValue } from "../../../src/json/value.ts";

const scopes = new AppraisalScopes([
  { policyId: "default", repositories: ["*"] },
  { policyId: "team-a", repositories: ["team-a", "shared"] },
  { policyId: "team-a", repositories: ["team-a2"] },
]);

function claims(...ids: readonly JsonValue[]) {
  const submods = ids.map((id, at): [string, JsonValue] => [`cpu${at}`, { "ear.appraisal-policy-id": id }]);
  return { submods: Object.fromEntries(submods) };
}

const opens = (token: ReturnType<typeof claims>, repository: string) =>
  scopes.mayOpen(token, "resource", [repository, "key", "1"]);

describe("AS-097 what a chosen appraisal policy opens", () => {
  test("the server's own choice opens everything", () => {
    expect(opens(claims("default"), "team-b")).toBe(true);
    expect(scopes.mayOpen(claims("default"), "pkcs11", [])).toBe(true);
  });

  test("a mapped one opens the repositories listed for it", () => {
    for (const repository of ["team-a", "shared", "team-a2"])
      expect(opens(claims("team-a"), repository)).toBe(true);
    for (const repository of ["team-b", "team", "team-a3", "*", "__proto__", "constructor"])
      expect(opens(claims("team-a"), repository)).toBe(false);
    expect(scopes.mayOpen(claims("team-a"), "resource", [])).toBe(false);
    expect(scopes.mayOpen(claims("team-a"), "pkcs11", ["team-a"])).toBe(false);
  });

  test("one that nobody mapped opens nothing", () => {
    for (const id of ["lenient", "", "*", "__proto__", null, 1, []])
      expect(opens(claims(id), "team-a")).toBe(false);
  });

  test("every submodule counts", () => {
    expect(opens(claims("default", "team-a"), "team-a")).toBe(true);
    expect(opens(claims("default", "team-a"), "team-b")).toBe(false);
    expect(opens(claims("team-a", "lenient"), "team-a")).toBe(false);
  });

  test("a token without submodules, or one that does not say what judged it, opens nothing", () => {
    for (const token of [
      {},
      { submods: {} },
      { submods: [] },
      { submods: { cpu0: {} } },
      { submods: { cpu0: 1 } },
    ])
      expect(scopes.mayOpen(token, "resource", ["team-a"])).toBe(false);
  });

  test("the IETF spelling counts as well, every id of it", () => {
    const ietf = (ids: JsonValue) => ({ submods: { cpu0: { ear_appraisal_policy_ids: ids } } });
    expect(scopes.mayOpen(ietf(["team-a"]), "resource", ["shared"])).toBe(true);
    expect(scopes.mayOpen(ietf(["team-a", "lenient"]), "resource", ["shared"])).toBe(false);
    expect(scopes.mayOpen(ietf([]), "resource", ["shared"])).toBe(false);
  });
});
