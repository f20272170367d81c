import { randomUUID } from "node:crypto";
import { AppraisalScopes } from "./broker/appraisal-scope.ts";
import { GuestRelease } from "./broker/guest-release.ts";
import { Broker } from "./broker/release.ts";
import { TeeWrapper } from "./broker/wrap.ts";
import { openAudit } from "./compose/audit.ts";
import { serverOptions, tlsSource } from "./compose/listener.ts";
import { adminService, attestationPort, wellKnownPort } from "./compose/ports.ts";
import { openState } from "./compose/state.ts";
import { openSessions, openTokens, openVerifierMap } from "./compose/trust.ts";
import { keyFile, type World } from "./compose/world.ts";
import type { KeywardenConfig } from "./config/load.ts";
import { AuditedAdmin } from "./http/audited.ts";
import { Gate } from "./http/gate.ts";
import { KbsServer } from "./http/server.ts";
import { loadTls, type TlsSource } from "./http/tls.ts";
import { Health } from "./observability/health.ts";
import { createMetrics, type Metrics } from "./observability/metrics.ts";
import { resourcePlugin } from "./plugins/resource/index.ts";
import { loadOrCreateKey } from "./storage/key-files.ts";

export type { World } from "./compose/world.ts";

export interface Keywarden {
  readonly server: KbsServer;
  readonly metrics: Metrics;
  readonly health: Health;
  /** `undefined`: plain http. */
  readonly tls: TlsSource | undefined;
  /** Goes on in a fresh audit file, after the old one was moved away. @throws KbsError `audit-unavailable` */
  reopenAudit(): Promise<void>;
  close(): Promise<void>;
}

/** What the server judges by its own choice opens everything; what guests chose opens what the operator listed. */
function appraisalScopes({ attestation }: KeywardenConfig): AppraisalScopes {
  const { policyId, policySelectors } = attestation;
  return new AppraisalScopes([{ policyId, repositories: ["*"] }, ...policySelectors]);
}

const FINGERPRINT_KEY_BYTES = 32;

/**
 * Builds the broker from its configuration: the one place that constructs parts and hands them to each other.
 *
 * @throws KbsError naming the option or the file that stands in the way
 */
export async function composeKeywarden(config: KeywardenConfig, world: World): Promise<Keywarden> {
  const { now, monotonic, log, version, clockBehindMilliseconds } = world;
  const metrics = createMetrics({ version, gitHash: "", buildDate: "" }, clockBehindMilliseconds);
  const state = await openState(config, world);
  const audit = await openAudit(config, world, metrics);
  const tokens = await openTokens(config, world);
  const attestGate = new Gate(config.attestation.maxConcurrent, config.attestation.maxWaiting);
  const verifiers = await openVerifierMap(config, world, attestGate);
  const { sessions, store } = openSessions(config, world);
  const wrapper = new TeeWrapper({ allowRsa1_5: config.attestation.dangerouslyAllowRsa1_5 });
  const scopes = appraisalScopes(config);
  const broker = new Broker({
    policies: state.policies,
    mayOpen: ({ issuer, claims }, plugin, path) =>
      issuer !== tokens.own.name || scopes.mayOpen(claims, plugin, path),
    get referenceValues() {
      return state.lookup;
    },
    wrapper,
    audit: audit.sink,
    fingerprintKey: await loadOrCreateKey(keyFile(config, "audit-fingerprint.key"), FINGERPRINT_KEY_BYTES),
  });
  const plugins = config.plugins.resource.enabled ? [resourcePlugin(state.secrets)] : [];
  const health = new Health({
    probes: [
      { name: "secret-store", check: (signal) => state.secrets.ready(signal) },
      { name: "session-store", check: (signal) => store.ready(signal) },
      { name: "audit-log", check: () => audit.log.ready() },
    ],
    onFailure: (probe, err) => log.error({ event: "not-ready", probe, err }),
  });
  const tls = tlsSource(config, world);
  const server = new KbsServer(serverOptions(config, tls === undefined ? undefined : await loadTls(tls)), {
    sessions,
    attestation: attestationPort(config, { state, tokens, verifiers, wrapper }, world),
    attestGate,
    release: new GuestRelease(broker, tokens.verifier, plugins),
    admin: new AuditedAdmin(await adminService(config, state, world), audit.sink, monotonic),
    wellKnown: wellKnownPort(config, tokens),
    health,
    metrics,
    log,
    now,
    monotonic,
    requestId: randomUUID,
  });
  const close = async () => {
    await Promise.all([state.secrets.close(), store.close()]);
    await audit.log.close();
  };
  return { server, metrics, health, tls, reopenAudit: () => audit.log.reopen(), close };
}
