import { describe, expect, test } from "@jest/globals";
import { annotate } from "../../../src/attestation/annotate.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { APPRAISAL_PROFILE, RELEASE_PROFILE } from "../../../src/policy/lint-profiles.ts";
import type { InputNames } from "../../../src/policy/rego/index.ts";
import { TEES } from "../../../src/protocol/tee.ts";
import { earClaims } from "../../../src/tokens/ear.ts";
import { EXPECTED, make, verifierFor } from "../../support/fake-amd/index.ts";

/** Advice about unknown names must never be given for a name that really occurs. */
function unknownNames(
  document: JsonObject,
  names: InputNames | undefined,
  path = "input",
): readonly string[] {
  if (names === undefined || names === "any") return [];
  return Object.entries(document).flatMap(([name, value]) => {
    const known = Object.hasOwn(names, name) ? names[name] : names["*"];
    if (known === undefined) return [`${path}.${name}`];
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? unknownNames(value as JsonObject, known, `${path}.${name}`) : []; // just found to be one
  });
}

const signal = new AbortController().signal;

async function snpEvidence(story: Parameters<typeof make>[0]): Promise<JsonObject> {
  const made = await make(story);
  const { results } = await verifierFor({}, made).verify(made.evidence, EXPECTED, signal);
  const context = {
    tee: "snp" as const,
    runtimeDataClaims: { nonce: "x" },
    initDataClaims: { a: 1 },
    verbose: true,
  };
  return annotate(results[0]?.claims ?? {}, context);
}

describe("names in the catalogue", () => {
  test.each(["Milan", "Genoa", "Turin"] as const)(
    "hold everything SEV-SNP evidence of %s has",
    async (product) => {
      const evidence = await snpEvidence({ product });
      expect(Object.keys(evidence["snp"] ?? {}).length).toBeGreaterThan(40);
      expect(unknownNames(evidence, APPRAISAL_PROFILE.input)).toEqual([]);
    },
  );

  test("hold every kind of TEE", () => {
    const evidence = Object.fromEntries(TEES.map((tee) => [tee, {}]));
    expect(unknownNames(evidence, APPRAISAL_PROFILE.input)).toEqual([]);
  });

  test("hold every claim of a token", async () => {
    const claims = earClaims(
      [
        {
          name: "cpu0",
          status: "affirming",
          trustVector: { hardware: 2 },
          policyId: "default_cpu",
          annotatedEvidence: await snpEvidence({}),
          extensions: { "ear.trustee.identifiers": {} },
        },
      ],
      { issuer: "x", issuedAt: 1, expiresAt: 2, developer: "d", build: "b", protocol: undefined },
    );
    expect(unknownNames(claims, RELEASE_PROFILE.input)).toEqual([]);
  });
});
