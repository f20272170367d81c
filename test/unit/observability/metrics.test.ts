import { describe, expect, test } from "@jest/globals";
import { PROBLEMS, type ProblemCode } from "../../../src/errors.ts";
import { countRelease, createMetrics } from "../../../src/observability/metrics.ts";

const build = { version: "1.2.3", gitHash: "abc", buildDate: "2026-06-01" };

/** The names that dashboards of the reference server use. */
const NAMES = `kbs_http_requests_total kbs_http_request_duration_seconds kbs_http_request_size_bytes
kbs_http_response_size_bytes kbs_http_active_connections kbs_auth_requests_total kbs_auth_successes_total
kbs_auth_errors_total kbs_attestation_requests_total kbs_attestation_errors_total kbs_attestation_successes_total
kbs_attestation_failures_total kbs_policy_evaluations_total kbs_policy_approvals_total kbs_policy_violations_total
kbs_policy_errors_total kbs_resource_reads_total kbs_resource_writes_total kbs_resource_deletes_total
kbs_plugin_requests_total kbs_plugin_errors_total kbs_plugin_request_duration_seconds kbs_build_info`.split(
  /\s+/,
);

describe("metrics", () => {
  test("P9 has every name of the reference server", () => {
    const { registry } = createMetrics(build);
    for (const name of NAMES) expect(registry.getSingleMetric(name)).toBeDefined();
  });

  test("P9 prints what a Prometheus server reads: help and type once per name, counters end in _total", async () => {
    const text = await createMetrics(build).registry.metrics();
    const typed = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    expect(new Set(typed.map((match) => match[1])).size).toBe(typed.length);
    for (const [, name, type] of typed) {
      expect(text).toContain(`# HELP ${name} `);
      if (type === "counter") expect(name).toMatch(/_total$/);
    }
    expect(text).toContain('kbs_build_info{version="1.2.3",git_hash="abc",build_date="2026-06-01"} 1');
  });

  test("E8 no label can hold a resource path", async () => {
    const json = await createMetrics(build).registry.getMetricsAsJSON();
    const labels = new Set(
      json.flatMap((metric) => metric.values.flatMap((value) => Object.keys(value.labels))),
    );
    expect([...labels].filter((label) => /path|resource|session|token/.test(label))).toEqual([]);
  });

  test("E12 a clock that was set back shows", async () => {
    const text = await createMetrics(build, () => 3_600_000).registry.metrics();
    expect(text).toMatch(/^kbs_clock_behind_seconds 3600$/m);
  });

  test("two registries live side by side", () => {
    expect(() => [createMetrics(build), createMetrics(build)]).not.toThrow();
  });

  test.each<["released" | ProblemCode, string[]]>([
    ["released", ["evaluations", "approvals"]],
    ["not-found", ["evaluations", "approvals"]],
    ["policy-denied", ["evaluations", "violations"]],
    ["policy-error", ["evaluations", "errors"]],
    ["token-rejected", []],
  ])("counts the policy's verdict when the outcome is %s", async (outcome, counted) => {
    const metrics = createMetrics(build);
    countRelease(metrics, outcome);
    const values = { evaluations: 0, approvals: 0, violations: 0, errors: 0 };
    values.evaluations = (await metrics.policyEvaluations.get()).values[0]?.value ?? 0;
    values.approvals = (await metrics.policyApprovals.get()).values[0]?.value ?? 0;
    values.violations = (await metrics.policyViolations.get()).values[0]?.value ?? 0;
    values.errors = (await metrics.policyErrors.get()).values[0]?.value ?? 0;
    expect(
      Object.entries(values)
        .filter(([, value]) => value === 1)
        .map(([name]) => name),
    ).toEqual(counted);
  });

  test("problem codes are all there from the start", async () => {
    const { values } = await createMetrics(build).problems.get();
    expect(values.map((value) => value.labels.code).sort()).toEqual(Object.keys(PROBLEMS).sort());
  });
});
