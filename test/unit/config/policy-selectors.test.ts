import { describe, expect, test } from "@jest/globals";
import { dangerousSwitches } from "../../../src/config/dangerous.ts";
import { loadConfig } from "../../../src/config/load.ts";

const faults = (selectors: string, more = "") =>
  loadConfig(`attestation: { policySelectors: [ ${selectors} ]${more} }`).faults.map(({ path }) => path);

describe("AS-097 which policies guests may choose", () => {
  test("a selector names a policy set and the repositories that it opens", () => {
    expect(faults("{ selector: a, policyId: strict, repositories: [ team-a, team-b ] }")).toEqual([]);
    expect(faults('{ selector: a, policyId: strict, repositories: [ "*" ] }')).toEqual([]);
  });

  test("what it opens has to be said, and by names of repositories", () => {
    const at = "attestation.policySelectors[0].repositories";
    expect(faults("{ selector: a, policyId: strict }")).toEqual([at]);
    expect(faults("{ selector: a, policyId: strict, repositories: [] }")).toEqual([at]);
    for (const name of ["../a", "a/b", '""', ".a", "'**'", "a*"])
      expect(faults(`{ selector: a, policyId: strict, repositories: [ ${name} ] }`)).toEqual([`${at}[0]`]);
  });

  test("a selector means one thing", () => {
    const one = "{ selector: a, policyId: strict, repositories: [ team-a ] }";
    expect(faults(`${one}, ${one}`)).toEqual(["attestation.policySelectors[1].selector"]);
  });

  test("the server's own choice opens everything, so a selector for it cannot open less", () => {
    const at = "attestation.policySelectors[0].repositories";
    expect(faults("{ selector: a, policyId: default, repositories: [ team-a ] }")).toEqual([at]);
    expect(faults("{ selector: a, policyId: own, repositories: [ team-a ] }", ", policyId: own")).toEqual([
      at,
    ]);
    expect(faults('{ selector: a, policyId: default, repositories: [ "*" ] }')).toEqual([]);
  });

  test("a policy id is one", () => {
    for (const id of ["../x", "''", "-a", "a b"])
      expect(faults(`{ selector: a, policyId: ${id}, repositories: [ a ] }`)).toEqual([
        "attestation.policySelectors[0].policyId",
      ]);
  });
});

test("AS-034 taking policies that judge nothing is a dangerous switch", () => {
  const { config } = loadConfig("attestation: { dangerouslyAllowMissingTrustClaims: true }");
  if (config === undefined) throw new Error("the configuration is good");
  expect(dangerousSwitches(config).map(({ path }) => path)).toContain(
    "attestation.dangerouslyAllowMissingTrustClaims",
  );
});
