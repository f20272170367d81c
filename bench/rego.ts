/** The policy engine alone: workloads of the size and shape that brokers meet, one thread, warm, budget checks on. */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { compilePolicy, type HostFunction, type Policy, type Value } from "../src/policy/rego/index.ts";
import { fromJson } from "../src/policy/rego/json.ts";
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
  readonly goalMicroseconds: number;
  readonly mustMicroseconds: number;
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
    },
    {
      name: "all submodules affirming",
      text: AFFIRMING_POLICY,
      rule: "data.policy.allow",
      input: TOKEN,
      goalMicroseconds: 8,
      mustMicroseconds: 30,
    },
    {
      name: "default CPU policy",
      text: cpu,
      rule: "data.policy.trust_claims",
      input: SNP_EVIDENCE,
      goalMicroseconds: 40,
      mustMicroseconds: 110,
    },
  ];
}

/** One row for each workload: microseconds for one evaluation, milliseconds for one compilation. */
export function benchRego(quick: boolean): Row[] {
  const answers = new Map(Object.entries(REFERENCE).map(([id, value]) => [id, fromJson(value)]));
  return workloads().map((workload) => measure(workload, answers, quick ? 2_000 : 20_000));
}

function measure(workload: Workload, answers: ReadonlyMap<string, Value>, runs: number): Row {
  const first = performance.now();
  const policy = compiled(workload);
  const evaluate = (): unknown =>
    policy.evaluate(workload.rule, {
      input: workload.input,
      data: workload.data ?? {},
      host: (_name, [id]) => answers.get(String(id)) ?? null,
    });
  evaluate();
  const firstAnswer = performance.now() - first;
  for (let run = 0; run < runs / 4; run += 1) evaluate();
  const microseconds = cpuMicroseconds(runs, evaluate);
  const compileMicroseconds = cpuMicroseconds(100, () => compiled(workload));
  return {
    workload: workload.name,
    "µs per evaluation": microseconds,
    goal: workload.goalMicroseconds,
    must: workload.mustMicroseconds,
    "ms per compilation": compileMicroseconds / 1_000,
    "ms from upload to first answer": firstAnswer,
  };
}

/** CPU time of this process for one run: other load on the machine does not count. */
function cpuMicroseconds(runs: number, run: () => unknown): number {
  const start = process.cpuUsage();
  for (let at = 0; at < runs; at += 1) run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / runs;
}

function compiled({ text }: Workload): Policy {
  const { policy, findings } = compilePolicy([{ file: "policy.rego", text }], { host: [HOST] });
  if (policy === undefined) throw new Error(findings[0]?.message ?? "the workload does not compile");
  return policy;
}
