import type { RemoteReferenceValues } from "../attestation/adapters/attestation-service.ts";
import type { Tee, Verifier } from "../attestation/verifier.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { AuditedAdmin } from "../http/audited.ts";
import { Gate } from "../http/gate.ts";
import type { AdminPort } from "../http/ports.ts";
import type { HealthProbe } from "../observability/health.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { type Judge, openJudge, remoteOptions } from "./attestation.ts";
import { type Audit, openAudit } from "./audit.ts";
import { ForwardingAdmin, withReferenceValues } from "./forwarding-admin.ts";
import { adminService } from "./ports.ts";
import { openState, type State } from "./state.ts";
import { openTokens, openVerifierMap, type Tokens } from "./trust.ts";
import type { World } from "./world.ts";

/** What the broker and the attestation service on its own both stand on. */
export interface Foundation {
  readonly metrics: Metrics;
  readonly state: State;
  readonly audit: Audit;
  readonly tokens: Tokens;
  /** Lets so many verifications run at once. */
  readonly gate: Gate;
  readonly verifiers: ReadonlyMap<Tee, Verifier>;
  readonly judge: Judge;
  readonly admin: AdminPort;
  /** Of services elsewhere that nothing works without. */
  readonly probes: readonly HealthProbe[];
  close(): Promise<void>;
}

/** @throws KbsError naming the option or the file that stands in the way */
export async function layFoundation(config: KeywardenConfig, world: World): Promise<Foundation> {
  const { version, clockBehindMilliseconds, monotonic } = world;
  const metrics = createMetrics({ version, gitHash: "", buildDate: "" }, clockBehindMilliseconds);
  const own = await openState(config, world, metrics);
  const provider = await openProvider(config, world);
  const state = provider === undefined ? own : withReferenceValues(own, provider.values);
  const tokens = await openTokens(config, world);
  const audit = await openAudit(config, world, metrics);
  tokens.watch.start();
  const gate = new Gate(config.attestation.maxConcurrent, config.attestation.maxWaiting);
  const verifiers = await openVerifierMap(config, world, gate, own.enrolments);
  const judge = await openJudge(config, { state, tokens, verifiers, metrics }, world);
  const elsewhere = {
    policies: judge.policies,
    referenceValues: provider?.values ?? judge.referenceValues,
  };
  const forwarding = new ForwardingAdmin(await adminService(config, own, world), elsewhere);
  const probes = [
    ...(judge.service.name === "built-in"
      ? []
      : [{ name: "attestation-service", check: (signal: AbortSignal) => judge.service.ready(signal) }]),
    ...(provider === undefined ? [] : [{ name: "reference-value-provider", check: provider.ready }]),
  ];
  return {
    metrics,
    // Whoever judges elsewhere has its reference values there, and release policies ask for the same ones.
    state:
      provider === undefined && judge.referenceValues !== undefined
        ? withReferenceValues(own, judge.referenceValues)
        : state,
    audit,
    tokens,
    gate,
    verifiers,
    judge,
    admin: new AuditedAdmin(forwarding, audit.sink, monotonic),
    probes,
    close: async () => {
      tokens.watch.stop();
      provider?.close();
      await Promise.all([own.secrets.close(), judge.service.close()]);
    },
  };
}

interface Provider {
  readonly values: RemoteReferenceValues;
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly close: () => void;
}

/** The reference value provider elsewhere, if there is one. */
async function openProvider(config: KeywardenConfig, world: World): Promise<Provider | undefined> {
  const { remote } = config.attestationService.rvps;
  if (remote === undefined) return undefined;
  const options = await remoteOptions(remote, "attestationService.rvps.remote", world);
  const { GrpcTransport } = await import("../attestation/adapters/grpc-transport.ts");
  const transport = await GrpcTransport.open(options, "reference value provider");
  return {
    values: transport,
    ready: (signal) => transport.health(signal),
    close: () => transport.close(),
  };
}
