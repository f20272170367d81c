import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { composeKeywarden, type Keywarden, type World } from "./compose.ts";
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
  /** Reads certificate and key again and opens the audit file anew, as on SIGHUP; what fails is logged. */
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
  const destination = logDestination(2);
  const log = createLogger({ level: config.log.level, destination });
  const world = processWorld(log, await readVersion());
  for (const { path, meaning } of dangerousSwitches(config))
    log.warn({ event: "dangerous-switch", path, detail: meaning });
  log.debug({ event: "configuration", config: redact(config) });
  const keywarden = await composeKeywarden(config, world);
  const url = await listen(config, keywarden);
  const metrics = await listenForMetrics(config, keywarden);
  const certificates = watchCertificates(keywarden, log);
  await certificates?.start();
  log.info({ event: "listening", url, metricsUrl: metrics?.url, version: world.version });
  return {
    url,
    metricsUrl: metrics?.url,
    reload: async () => {
      await certificates?.reload();
      await reopenAudit(keywarden, log);
    },
    close: async () => {
      certificates?.stop();
      const finished = await keywarden.server.drain(config.server.drainSeconds * 1000);
      await metrics?.listener.close();
      await keywarden.close();
      log.info({ event: "stopped", finished });
      destination.flushSync();
    },
  };
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
  { metrics, health }: Keywarden,
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

async function reopenAudit(keywarden: Keywarden, log: Logger): Promise<void> {
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
