import { describe, expect, test } from "@jest/globals";
import { annotate } from "../../../src/attestation/annotate.ts";
import { parseTrustVector, statusOf, TRUST_CLAIMS, tierOf } from "../../../src/attestation/trust-vector.ts";
import type { JsonValue } from "../../../src/json/value.ts";

const FAILED = expect.objectContaining({ code: "appraisal-failed" });

test.each([
  [-128, "contraindicated"],
  [-97, "contraindicated"],
  [-96, "warning"],
  [-33, "warning"],
  [-32, "affirming"],
  [-2, "affirming"],
  [-1, "none"],
  [0, "none"],
  [1, "none"],
  [2, "affirming"],
  [31, "affirming"],
  [32, "warning"],
  [95, "warning"],
  [96, "contraindicated"],
  [127, "contraindicated"],
])("AS-032 %i is %s", (value, tier) => {
  expect(tierOf(value)).toBe(tier);
});

test("AS-032 the status is the worst tier", () => {
  expect(statusOf({ hardware: 0, configuration: 0 })).toBe("none");
  expect(statusOf({ hardware: 2, configuration: 0 })).toBe("affirming");
  expect(statusOf({ hardware: 2, configuration: 36, executables: 3 })).toBe("warning");
  expect(statusOf({ hardware: 97, configuration: 36 })).toBe("contraindicated");
});

test("AS-030 AS-031 exactly the members that the policy gave", () => {
  const all = Object.fromEntries(TRUST_CLAIMS.map((claim, at) => [claim, at]));
  expect(parseTrustVector(all)).toEqual(all);
  expect(parseTrustVector({ hardware: 2 })).toEqual({ hardware: 2 });
});

test.each<[string, JsonValue]>([
  ["AS-035 a text", "<undefined>"],
  ["AS-035 a list", [["hardware", 2]]],
  ["AS-035 null", null],
  ["AS-036 the empty object", {}],
  ["AS-033 an unknown name", { hardware: 2, file_system: 0 }],
  ["AS-033 an inherited name", { constructor: 2 }],
  ["AS-033 128", { hardware: 128 }],
  ["AS-033 -129", { hardware: -129 }],
  ["AS-033 300, which would wrap to 44", { hardware: 300 }],
  ["AS-033 a fraction", { hardware: 2.5 }],
  ["AS-033 a text", { hardware: "2" }],
  ["AS-033 null", { hardware: null }],
  ["AS-033 a bigint", { hardware: 2n ** 64n }],
])("%s is no trust vector", (_, value) => {
  expect(() => parseTrustVector(value)).toThrow(FAILED);
});

describe("annotated evidence", () => {
  const context = {
    tee: "az-snp-vtpm",
    runtimeDataClaims: { nonce: "n", "additional-evidence": "{}" },
    initDataClaims: null,
    verbose: true,
  } as const;

  test("AS-021 AS-022 AS-023 report and init-data stand beside the TEE, each with its claims", () => {
    expect(annotate({ a: 1, report_data: "r", init_data: "i" }, context)).toEqual({
      "az-snp-vtpm": { a: 1 },
      report_data: "r",
      runtime_data_claims: { nonce: "n", "additional-evidence": "{}" },
      init_data: "i",
      init_data_claims: null,
    });
  });

  test("B25 AS-022 claims that the verifier did not confirm do not appear", () => {
    expect(annotate({ a: 1 }, { ...context, initDataClaims: { x: "y" } })).toEqual({
      "az-snp-vtpm": { a: 1 },
    });
  });

  test("AS-024 verbose false drops the list of devices", () => {
    expect(annotate({ report_data: "r" }, { ...context, verbose: false })).toEqual({
      "az-snp-vtpm": {},
      report_data: "r",
      runtime_data_claims: { nonce: "n" },
    });
  });

  test("a verifier that gives something else than text is a fault of ours, not of the guest", () => {
    expect(() => annotate({ report_data: 1 }, context)).toThrow(
      expect.objectContaining({ code: "internal" }),
    );
  });
});
