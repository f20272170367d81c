/** The policy engine alone: workloads of the size and shape that brokers meet, one thread, warm, budget checks on. */
import { readFileSync } from "node:fs";
import { compilePolicy, type HostFunction, type Policy, type Value } from "../src/policy/rego/index.ts";
import { fromJson } from "../src/policy/rego/json.ts";
import { agentPolicy, agentRequest } from "./rego-agent-policy.ts";
import { opaMicroseconds } from "./rego-opa.ts";
import type { Row } from "./table.ts";

const HOST: HostFunction = { name: "query_reference_value", arity: 1, params: ["string"], result: "any" };

/** Who may read which repository, by path and claims: 25 lines. */
const RESOURCE_POLICY = `package policy

import rego.v1

default allow := false

path := data["resource-path"]

allow if {
	data.plugin == "resource"
	count(path) == 3
	path[0] == "production"
	trusted
}

allow if {
	data.plugin == "resource"
	path[0] == "public"
}

trusted if {
	some name, submod in input.submods
	startswith(name, "cpu")
	submod["ear.status"] == "affirming"
	submod["ear.trustworthiness-vector"].hardware <= 32
	not submod["ear.veraison.annotated-evidence"].sample
}
`;

const AFFIRMING_POLICY = `package policy

import rego.v1

default allow := false

allow if {
	count(input.submods) > 0
	every submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
`;

const SUBMOD = {
  "ear.status": "affirming",
  "ear.trustworthiness-vector": { hardware: 2, configuration: 2, executables: 3 },
  "ear.veraison.annotated-evidence": { snp: { measurement: "ab".repeat(48) }, init_data: "00" },
};
const TOKEN = { iss: "keywarden", exp: 1_900_000_000, submods: { cpu0: SUBMOD, gpu0: SUBMOD } };

const SNP_EVIDENCE = {
  snp: {
    measurement: "m",
    reported_tcb_bootloader: 4,
    reported_tcb_microcode: 213,
    reported_tcb_snp: 22,
    reported_tcb_tee: 0,
    policy_debug_allowed: false,
    policy_migrate_ma: false,
    platform_smt_enabled: true,
    platform_tsme_enabled: false,
    policy_abi_major: 1,
    policy_abi_minor: 31,
    policy_single_socket: false,
    policy_smt_allowed: true,
  },
  report_data: "00".repeat(64),
  init_data: "00".repeat(32),
};
const REFERENCE: Readonly<Record<string, unknown>> = {
  snp_launch_measurement: ["m"],
  snp_bootloader: [4],
  snp_microcode: [213],
  snp_snp_svn: [22],
  snp_tee_svn: [0],
  snp_smt_enabled: true,
  snp_tsme_enabled: false,
  snp_guest_abi_major: 1,
  snp_guest_abi_minor: 31,
  snp_single_socket: false,
  snp_smt_allowed: true,
};

interface Workload {
  readonly name: string;
  readonly text: string;
  readonly rule: string;
  readonly input: unknown;
  readonly data?: unknown;
  readonly dialect?: "v0" | "v1";
  /** Whether it asks for reference values. */
  readonly asks?: true;
  /** CPU time of one evaluation, warm. */
  readonly goalMicroseconds: number;
  readonly mustMicroseconds: number;
  /** CPU time of one compilation, warm. */
  readonly goalMilliseconds: number;
  readonly mustMilliseconds: number;
}

function workloads(): readonly Workload[] {
  const cpu = readFileSync(new URL("../policies/attestation/default_cpu.rego", import.meta.url), "utf8");
  const data = { plugin: "resource", "resource-path": ["production", "key", "1"], query: {} };
  return [
    {
      name: "resource policy",
      text: RESOURCE_POLICY,
      rule: "data.policy.allow",
      input: TOKEN,
      data,
      goalMicroseconds: 8,
      mustMicroseconds: 30,
      goalMilliseconds: 0.5,
      mustMilliseconds: 2,
    },
    {
      name: "all submodules affirming",
      text: AFFIRMING_POLICY,
      rule: "data.policy.allow",
      input: TOKEN,
      goalMicroseconds: 8,
      mustMicroseconds: 30,
      goalMilliseconds: 0.5,
      mustMilliseconds: 2,
    },
    {
      name: "default CPU policy, trust_claims",
      text: cpu,
      rule: "data.policy.trust_claims",
      input: SNP_EVIDENCE,
      asks: true,
      goalMicroseconds: 40,
      mustMicroseconds: 110,
      goalMilliseconds: 5,
      mustMilliseconds: 15,
    },
    {
      name: "default CPU policy, extensions",
      text: cpu,
      rule: "data.policy.extensions",
      input: SNP_EVIDENCE,
      asks: true,
      goalMicroseconds: 40,
      mustMicroseconds: 110,
      goalMilliseconds: 5,
      mustMilliseconds: 15,
    },
    {
      name: "agent policy, CreateContainerRequest",
      text: agentPolicy(),
      rule: "data.agent_policy.CreateContainerRequest",
      input: agentRequest(),
      dialect: "v0",
      goalMicroseconds: 5_000,
      mustMicroseconds: 15_000,
      goalMilliseconds: 50,
      mustMilliseconds: 150,
    },
  ];
}

/** What the first evaluation after an upload may take, and what a compiled policy may hold. */
const FIRST_ANSWER = { goal: 5, must: 20 };
const MEMORY = { goal: 1, must: 4 };

/** One row for each workload; goals and musts stand behind the measured value, as `value (goal, must)`. */
export function benchRego(quick: boolean): Row[] {
  const answers = new Map(Object.entries(REFERENCE).map(([id, value]) => [id, fromJson(value)]));
  return workloads().map((workload) => measure(workload, answers, quick));
}

function measure(workload: Workload, answers: ReadonlyMap<string, Value>, quick: boolean): Row {
  const runs = Math.ceil((quick ? 20_000 : 200_000) / workload.goalMicroseconds);
  const compilations = Math.ceil((quick ? 100 : 500) / Math.max(1, workload.goalMilliseconds));
  const policy = compiled(workload);
  cpuMicroseconds(runs, () => evaluate(policy, workload, answers));
  const microseconds = cpuMicroseconds(runs, () => evaluate(policy, workload, answers));
  cpuMicroseconds(compilations, () => compiled(workload));
  const milliseconds = cpuMicroseconds(compilations, () => compiled(workload)) / 1_000;
  const fresh = Array.from({ length: 10 }, () => compiled(workload));
  const firstAnswer = cpuMicroseconds(fresh.length, (at) => evaluateAt(fresh, at, workload, answers)) / 1_000;
  const opa = opaMicroseconds({ ...workload, ...(workload.asks === true ? { reference: REFERENCE } : {}) });
  return {
    workload: workload.name,
    "µs per evaluation": judged(microseconds, workload.goalMicroseconds, workload.mustMicroseconds),
    "ms per compilation": judged(milliseconds, workload.goalMilliseconds, workload.mustMilliseconds),
    "ms of first evaluation": judged(firstAnswer, FIRST_ANSWER.goal, FIRST_ANSWER.must),
    "MB per policy": judged(megabytes(workload), MEMORY.goal, MEMORY.must),
    "µs in OPA": opa ?? "no OPA here",
    "ours / OPA": opa === undefined ? "" : microseconds / opa,
  };
}

/** The first evaluation of a policy just uploaded to a server that has been running for a while. */
function evaluateAt(
  policies: readonly Policy[],
  at: number,
  workload: Workload,
  answers: ReadonlyMap<string, Value>,
): void {
  const policy = policies[at];
  if (policy !== undefined) evaluate(policy, workload, answers);
}

function evaluate(policy: Policy, workload: Workload, answers: ReadonlyMap<string, Value>): void {
  const outcome = policy.evaluate(workload.rule, {
    input: workload.input,
    data: workload.data ?? {},
    host: (_name, [id]) => answers.get(String(id)) ?? null,
  });
  if (outcome.kind !== "value") throw new Error(`${workload.name}: ${outcome.kind}`);
}

function judged(value: number, goal: number, must: number): string {
  const verdict = value <= goal ? "✓" : value <= must ? "below the goal" : "ABOVE THE MUST";
  return `${value.toPrecision(3)} (goal ${goal}, must ${must}) ${verdict}`;
}

const POLICIES_WEIGHED = 20;

/** Heap that one compiled policy holds; needs `--expose-gc`. */
function megabytes(workload: Workload): number {
  const kept: Policy[] = [];
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < POLICIES_WEIGHED; at += 1) kept.push(compiled(workload));
  globalThis.gc?.();
  return (process.memoryUsage().heapUsed - before) / kept.length / 1e6;
}

/** CPU time of this process for one run: other load on the machine does not count. */
function cpuMicroseconds(runs: number, run: (at: number) => unknown): number {
  const start = process.cpuUsage();
  for (let at = 0; at < runs; at += 1) run(at);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / runs;
}

function compiled({ text, dialect = "v1" }: Workload): Policy {
  const { policy, findings } = compilePolicy([{ file: "policy.rego", text }], { dialect, host: [HOST] });
  if (policy === undefined) throw new Error(findings[0]?.message ?? "the workload does not compile");
  return policy;
}
