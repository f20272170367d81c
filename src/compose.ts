import { randomUUID } from "node:crypto";
import { AppraisalScopes } from "./broker/appraisal-scope.ts";
import { GuestRelease } from "./broker/guest-release.ts";
import { Broker } from "./broker/release.ts";
import { TeeWrapper } from "./broker/wrap.ts";
import { openEnrolment } from "./compose/enrolment.ts";
import { type Foundation, layFoundation } from "./compose/foundation.ts";
import { serverOptions, tlsSource } from "./compose/listener.ts";
import { attestationPort, wellKnownPort } from "./compose/ports.ts";
import { openServiceInterfaces, type ServiceInterfaces } from "./compose/service-interfaces.ts";
import { openSessions, REMOTE_ISSUER } from "./compose/trust.ts";
import { keyFile, type World } from "./compose/world.ts";
import type { KeywardenConfig } from "./config/load.ts";
import { KbsError } from "./errors.ts";
import { KbsServer } from "./http/server.ts";
import { loadTls, type TlsSource } from "./http/tls.ts";
import { Health, type HealthProbe } from "./observability/health.ts";
import type { Metrics } from "./observability/metrics.ts";
import { resourcePlugin } from "./plugins/resource/index.ts";
import { loadOrCreateKey } from "./storage/key-files.ts";

export type { World } from "./compose/world.ts";

export interface Keywarden {
  readonly server: KbsServer;
  /** The attestation service's own doors; `undefined`: there are none. */
  readonly interfaces: ServiceInterfaces | undefined;
  readonly metrics: Metrics;
  readonly health: Health;
  /** `undefined`: plain http. */
  readonly tls: TlsSource | undefined;
  /** Goes on in a fresh audit file, after the old one was moved away. @throws KbsError `audit-unavailable` */
  reopenAudit(): Promise<void>;
  /** Looks for a new signing key of tokens now; what fails is logged. */
  reloadTokenKeys(): Promise<void>;
  close(): Promise<void>;
}

/** What the server judges by its own choice opens everything; what guests chose opens what the operator listed. */
function appraisalScopes({ attestation }: KeywardenConfig): AppraisalScopes {
  const { policyId, policySelectors } = attestation;
  return new AppraisalScopes([{ policyId, repositories: ["*"] }, ...policySelectors]);
}

/** Issuers whose tokens name the appraisal policy that this server's configuration asked for. */
function scopedIssuers({ own }: Foundation["tokens"]): readonly string[] {
  return [own.name, REMOTE_ISSUER];
}

const FINGERPRINT_KEY_BYTES = 32;

/**
 * Builds the broker from its configuration: the one place that constructs parts and hands them to each other.
 *
 * @throws KbsError naming the option or the file that stands in the way
 */
export async function composeKeywarden(config: KeywardenConfig, world: World): Promise<Keywarden> {
  const { now, monotonic, log } = world;
  const foundation = await layFoundation(config, world);
  const { metrics, state, audit, tokens, gate, judge, admin } = foundation;
  const { sessions, store } = openSessions(config, world);
  const wrapper = new TeeWrapper({ allowRsa1_5: config.attestation.dangerouslyAllowRsa1_5 });
  const scopes = appraisalScopes(config);
  const broker = new Broker({
    policies: state.policies,
    mayOpen: ({ issuer, claims }, plugin, path) =>
      !scopedIssuers(tokens).includes(issuer) || scopes.mayOpen(claims, plugin, path),
    get referenceValues() {
      return state.lookup;
    },
    wrapper,
    audit: audit.sink,
    fingerprintKey: await loadOrCreateKey(keyFile(config, "audit-fingerprint.key"), FINGERPRINT_KEY_BYTES),
  });
  const plugins = config.plugins.resource.enabled ? [resourcePlugin(state.secrets)] : [];
  const health = healthOf(
    [
      { name: "secret-store", check: (signal) => state.secrets.ready(signal) },
      { name: "session-store", check: (signal) => store.ready(signal) },
    ],
    foundation,
    world,
  );
  const tls = tlsSource(config, world);
  const server = new KbsServer(serverOptions(config, tls === undefined ? undefined : await loadTls(tls)), {
    sessions,
    attestation: attestationPort(judge.service, wrapper),
    attestGate: gate,
    release: new GuestRelease(broker, tokens.verifier, plugins),
    admin,
    wellKnown: wellKnownPort(config, tokens),
    enrolment: await openEnrolment(config, state, audit.sink, world),
    health,
    metrics,
    log,
    now,
    monotonic,
    requestId: randomUUID,
  });
  const close = async () => {
    await Promise.all([foundation.close(), store.close()]);
    await audit.log.close();
  };
  const interfaces = await openServiceInterfaces(
    config,
    { ...foundation, health, besideBroker: true },
    world,
  ).catch(afterClosing(close));
  const reopenAudit = () => audit.log.reopen();
  const reloadTokenKeys = () => tokens.watch.reload();
  return { server, interfaces, metrics, health, tls, reopenAudit, reloadTokenKeys, close };
}

/** The attestation service on its own: no broker, no secrets, no sessions. */
export interface AloneService {
  readonly interfaces: ServiceInterfaces;
  readonly metrics: Metrics;
  readonly health: Health;
  /** @throws KbsError `audit-unavailable` */
  reopenAudit(): Promise<void>;
  /** Looks for a new signing key of tokens now; what fails is logged. */
  reloadTokenKeys(): Promise<void>;
  close(): Promise<void>;
}

/** @throws KbsError naming the option or the file that stands in the way */
export async function composeAttestationService(
  config: KeywardenConfig,
  world: World,
): Promise<AloneService> {
  const { grpc, rest, rvps } = config.attestationService;
  if ([grpc, rest, rvps].every(({ listen }) => listen === undefined)) throw noDoor();
  // There is nothing that could be released: the store of secrets is an empty one.
  const alone: KeywardenConfig = { ...config, secrets: { ...config.secrets, driver: "memory" } };
  const foundation = await layFoundation(alone, world);
  const { metrics, audit, tokens } = foundation;
  const health = healthOf([], foundation, world);
  const close = async () => {
    await foundation.close();
    await audit.log.close();
  };
  const interfaces = await openServiceInterfaces(
    alone,
    { ...foundation, health, besideBroker: false },
    world,
  ).catch(afterClosing(close));
  if (interfaces === undefined) throw noDoor();
  const reopenAudit = () => audit.log.reopen();
  const reloadTokenKeys = () => tokens.watch.reload();
  return { interfaces, metrics, health, reopenAudit, reloadTokenKeys, close };
}

/** A start that failed leaves no file open and no connection behind. */
function afterClosing(close: () => Promise<void>): (error: unknown) => Promise<never> {
  return async (error) => {
    await close();
    throw error;
  };
}

function noDoor(): KbsError {
  return new KbsError(
    "internal",
    "attestationService: neither grpc.listen, rest.listen nor rvps.listen is given, so nobody could ask.",
  );
}

function healthOf(own: readonly HealthProbe[], { audit, probes }: Foundation, { log }: World): Health {
  return new Health({
    probes: [...own, { name: "audit-log", check: () => audit.log.ready() }, ...probes],
    onFailure: (probe, err) => log.error({ event: "not-ready", probe, err }),
  });
}
