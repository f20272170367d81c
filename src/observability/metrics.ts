import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { PROBLEMS, type ProblemCode } from "../errors.ts";

/** Buckets of the reference server, so that existing dashboards keep their axes. */
const DURATION_BUCKETS = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.5, 1];
const SIZE_BUCKETS = [32, 128, 512, 2048, 8192];
const PLUGIN_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];

export interface BuildInfo {
  readonly version: string;
  readonly gitHash: string;
  readonly buildDate: string;
}

/**
 * Every metric there is. No label ever holds a resource path or anything else that a guest chooses: names of
 * secrets are not for whoever may scrape, and label values must be bounded.
 *
 * @param clockBehindMilliseconds - asked at each scrape, see `guardClock`
 */
export function createMetrics(build: BuildInfo, clockBehindMilliseconds: () => number = () => 0) {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const counterBy = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter<L>({ name, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers });

  const buildInfo = new Gauge({
    name: "kbs_build_info",
    help: "Always 1; the labels name the build.",
    labelNames: ["version", "git_hash", "build_date"],
    registers,
  });
  buildInfo.set({ version: build.version, git_hash: build.gitHash, build_date: build.buildDate }, 1);

  new Gauge({
    name: "kbs_clock_behind_seconds",
    help: "How far the wall clock was set back; not zero is an alarm, and a restart believes it again.",
    registers,
    collect() {
      this.set(clockBehindMilliseconds() / 1000);
    },
  });

  const metrics = {
    registry,
    httpRequests: counter("kbs_http_requests_total", "Requests whose path begins with /kbs."),
    httpDuration: histogram(
      "kbs_http_request_duration_seconds",
      "Time to answer a request.",
      DURATION_BUCKETS,
    ),
    httpRequestSize: histogram("kbs_http_request_size_bytes", "Size of request bodies.", SIZE_BUCKETS),
    httpResponseSize: histogram("kbs_http_response_size_bytes", "Size of response bodies.", SIZE_BUCKETS),
    httpActive: new Gauge({ name: "kbs_http_active_connections", help: "Requests in flight.", registers }),
    vaultFailures: counterBy(
      "kbs_vault_failures_total",
      "Questions to Vault that were not answered as they should, by reason.",
      "reason",
    ),
    problems: counterBy("kbs_problems_total", "Answers that were refusals or failures, by code.", "code"),
    authRequests: counter("kbs_auth_requests_total", "Requests to /auth."),
    authSuccesses: counter("kbs_auth_successes_total", "Challenges given out."),
    authErrors: counter("kbs_auth_errors_total", "Requests to /auth that were refused."),
    attestationRequests: counter("kbs_attestation_requests_total", "Requests to /attest."),
    attestationErrors: counter("kbs_attestation_errors_total", "Requests to /attest without a verdict."),
    attestationSuccesses: counterBy(
      "kbs_attestation_successes_total",
      "Evidence that was accepted, by TEE.",
      "tee_type",
    ),
    attestationFailures: counterBy(
      "kbs_attestation_failures_total",
      "Evidence that was refused, by TEE.",
      "tee_type",
    ),
    policyEvaluations: counter("kbs_policy_evaluations_total", "Evaluations of the resource policy."),
    policyApprovals: counter("kbs_policy_approvals_total", "Evaluations that allowed."),
    policyViolations: counter("kbs_policy_violations_total", "Evaluations that denied."),
    policyErrors: counter("kbs_policy_errors_total", "Evaluations that could not decide, and so denied."),
    resourceReads: counter("kbs_resource_reads_total", "Attempts to read a resource."),
    resourceWrites: counter("kbs_resource_writes_total", "Attempts to write a resource."),
    resourceDeletes: counter("kbs_resource_deletes_total", "Attempts to delete a resource."),
    pluginRequests: counterBy("kbs_plugin_requests_total", "Requests to external plugins.", "plugin_name"),
    pluginErrors: counterBy("kbs_plugin_errors_total", "Failed requests to external plugins.", "plugin_name"),
    pluginDuration: new Histogram({
      name: "kbs_plugin_request_duration_seconds",
      help: "Time external plugins take.",
      labelNames: ["plugin_name"],
      buckets: PLUGIN_BUCKETS,
      registers,
    }),
    evaluations: counterBy(
      "kbs_attestation_service_evaluations_total",
      "Evaluations for callers of the attestation service, by outcome.",
      "outcome",
    ),
    attestationServiceCalls: counterBy(
      "kbs_attestation_service_calls_total",
      "Calls to the attestation service's own interfaces, by interface and outcome.",
      "interface",
      "outcome",
    ),
    remoteAttestations: counterBy(
      "kbs_attestation_service_requests_total",
      "Requests to an attestation service elsewhere, by outcome.",
      "outcome",
    ),
    rateLimited: counter("kbs_rate_limited_total", "Requests refused by the rate limit."),
    connectionsRefused: counter("kbs_connections_refused_total", "Connections refused by a limit."),
    auditRecords: counter("kbs_audit_records_total", "Audit records written and durable."),
    auditFailures: counter("kbs_audit_failures_total", "Audit records that could not be written."),
    certificateReloads: counterBy("kbs_certificate_reloads_total", "TLS certificate reloads.", "outcome"),
  };
  for (const code of Object.keys(PROBLEMS)) metrics.problems.inc({ code }, 0);
  collectDefaultMetrics({ register: registry });
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Counts the verdict of the resource policy by what became of the release. */
export function countRelease(metrics: Metrics, outcome: "released" | ProblemCode): void {
  if (outcome === "released" || outcome === "not-found" || outcome === "tee-key-rejected") {
    metrics.policyEvaluations.inc();
    metrics.policyApprovals.inc();
  } else if (outcome === "policy-denied") {
    metrics.policyEvaluations.inc();
    metrics.policyViolations.inc();
  } else if (outcome === "policy-error") {
    metrics.policyEvaluations.inc();
    metrics.policyErrors.inc();
  }
}
