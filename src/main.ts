import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { composeAttestationService, composeKeywarden, type Keywarden, type World } from "./compose.ts";
import { dangerousSwitches } from "./config/dangerous.ts";
import type { KeywardenConfig } from "./config/load.ts";
import { redact } from "./config/redact.ts";
import { MetricsListener } from "./http/metrics-listener.ts";
import { CertificateWatch } from "./http/tls.ts";
import { guardClock } from "./observability/clock.ts";
import { createLogger, type Logger, logDestination } from "./observability/logger.ts";

/** A running server. */
export interface RunningKeywarden {
  readonly url: string;
  /** Of the listener for `/metrics`, `/healthz` and `/readyz`; `undefined`: there is none of its own. */
  readonly metricsUrl: string | undefined;
  /** Of the attestation service's own doors, by name: `grpc`, `rest`, `rvps`. */
  readonly serviceUrls: Readonly<Record<string, string>>;
  /** Reads certificates and keys again and opens the audit file anew, as on SIGHUP; what fails is logged. */
  reload(): Promise<void>;
  /** Finishes requests in progress, then stops. */
  close(): Promise<void>;
}

const START_SECONDS = 60;
const CERTIFICATE_CHECK_MILLISECONDS = 10_000;

/**
 * Starts the server.
 *
 * @throws KbsError naming what stands in the way; Node's own error when the address cannot be listened on
 */
export async function startKeywarden(config: KeywardenConfig): Promise<RunningKeywarden> {
  const { log, world, flush } = await openWorld(config);
  const keywarden = await composeKeywarden(config, world);
  const url = await listen(config, keywarden);
  const serviceUrls = (await keywarden.interfaces?.listen()) ?? {};
  const metrics = await listenForMetrics(config, keywarden);
  const certificates = watchCertificates(keywarden, log);
  await certificates?.start();
  log.info({ event: "listening", url, metricsUrl: metrics?.url, serviceUrls, version: world.version });
  return {
    url,
    metricsUrl: metrics?.url,
    serviceUrls,
    reload: async () => {
      await certificates?.reload();
      await keywarden.interfaces?.reload();
      await keywarden.reloadTokenKeys();
      await reopenAudit(keywarden, log);
    },
    close: async () => {
      certificates?.stop();
      const deadline = config.server.drainSeconds * 1000;
      const [finished, asked] = await Promise.all([
        keywarden.server.drain(deadline),
        keywarden.interfaces?.drain(deadline),
      ]);
      await metrics?.listener.close();
      await keywarden.close();
      log.info({ event: "stopped", finished: finished && asked !== false });
      flush();
    },
  };
}

/** A running attestation service without a broker. */
export type RunningAttestationService = Omit<RunningKeywarden, "url">;

/**
 * Starts the attestation service on its own.
 *
 * @throws KbsError naming what stands in the way; Node's own error when an address cannot be listened on
 */
export async function startAttestationService(config: KeywardenConfig): Promise<RunningAttestationService> {
  const { log, world, flush } = await openWorld(config);
  const service = await composeAttestationService(config, world);
  const serviceUrls = await service.interfaces.listen();
  const metrics = await listenForMetrics(config, service);
  log.info({ event: "listening", metricsUrl: metrics?.url, serviceUrls, version: world.version });
  return {
    metricsUrl: metrics?.url,
    serviceUrls,
    reload: async () => {
      await service.interfaces.reload();
      await service.reloadTokenKeys();
      await reopenAudit(service, log);
    },
    close: async () => {
      service.health.startDraining();
      const finished = await service.interfaces.drain(config.server.drainSeconds * 1000);
      await metrics?.listener.close();
      await service.close();
      log.info({ event: "stopped", finished });
      flush();
    },
  };
}

async function openWorld(
  config: KeywardenConfig,
): Promise<{ readonly log: Logger; readonly world: World; readonly flush: () => void }> {
  const destination = logDestination(2);
  const log = createLogger({ level: config.log.level, destination });
  const world = processWorld(log, await readVersion());
  for (const { path, meaning } of dangerousSwitches(config))
    log.warn({ event: "dangerous-switch", path, detail: meaning });
  log.debug({ event: "configuration", config: redact(config) });
  return { log, world, flush: () => destination.flushSync() };
}

function processWorld(log: Logger, version: string): World {
  const monotonic = () => performance.now();
  const clock = guardClock({
    wall: Date.now,
    monotonic,
    onStepBack: (behindMilliseconds) => log.error({ event: "clock-stepped-back", behindMilliseconds }),
  });
  return {
    env: process.env,
    now: clock.now,
    clockBehindMilliseconds: clock.behindMilliseconds,
    monotonic,
    log,
    version,
    startSignal: AbortSignal.timeout(START_SECONDS * 1000),
  };
}

async function listen(
  { server: { host, port } }: KeywardenConfig,
  { server, tls }: Keywarden,
): Promise<string> {
  const address = await server.listen(port, host);
  return `${tls === undefined ? "http" : "https"}://${authority(address)}`;
}

async function listenForMetrics(
  { server }: KeywardenConfig,
  { metrics, health }: Pick<Keywarden, "metrics" | "health">,
): Promise<{ listener: MetricsListener; url: string } | undefined> {
  const { enabled, host, port } = server.metrics;
  if (!enabled) return undefined;
  const listener = new MetricsListener(metrics, health, randomUUID);
  return { listener, url: `http://${authority(await listener.listen(port, host))}` };
}

function authority({ address, family, port }: { address: string; family: string; port: number }): string {
  return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}

function watchCertificates({ server, tls, metrics }: Keywarden, log: Logger): CertificateWatch | undefined {
  if (tls === undefined) return undefined;
  return new CertificateWatch({
    source: tls,
    intervalMilliseconds: CERTIFICATE_CHECK_MILLISECONDS,
    replace: (material) => server.replaceCertificate(material),
    log,
    metrics,
  });
}

async function reopenAudit(keywarden: Pick<Keywarden, "reopenAudit">, log: Logger): Promise<void> {
  try {
    await keywarden.reopenAudit();
    log.info({ event: "audit-reopen", outcome: "ok" });
  } catch (error) {
    log.error({ event: "audit-reopen", outcome: "failed", err: error });
  }
}

async function readVersion(): Promise<string> {
  const manifest: { version: string } = JSON.parse(
    await readFile(new URL("../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}
