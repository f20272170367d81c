import type { Command } from "commander";
import type { KeywardenConfig } from "../../config/load.ts";
import { KbsError } from "../../errors.ts";
import { codeOf, replaceFile } from "../files.ts";
import { refused, type World } from "../world.ts";

interface Options {
  readonly config: string;
  readonly readyFile?: string;
}

/** Adds `keywarden serve`. */
export function registerServe(program: Command, world: World): void {
  program
    .command("serve")
    .description(
      "run the server until SIGTERM or SIGINT, which let requests in progress end; SIGHUP reads the certificate and opens the audit log anew",
    )
    .option("--config <file>", "the configuration", "kbs.config.yaml")
    .option("--ready-file <file>", "write addresses and process id to this file, as JSON, once listening")
    .action((options: Options) => serve(world, options));
}

/** Adds `keywarden attestation-service serve`. */
export function registerAttestationService(program: Command, world: World): void {
  program
    .command("attestation-service")
    .description("the attestation service on its own: evidence in, token out, no secrets")
    .command("serve")
    .description(
      "open the doors that attestationService.grpc, .rest and .rvps of the configuration describe, until SIGTERM or SIGINT",
    )
    .option("--config <file>", "the configuration", "kbs.config.yaml")
    .option("--ready-file <file>", "write addresses and process id to this file, as JSON, once listening")
    .action((options: Options) => serveAttestation(world, options));
}

async function serveAttestation(world: World, { config: file, readyFile }: Options): Promise<void> {
  const config = await loadedConfig(file, world);
  const { startAttestationService } = await import("../../main.ts");
  const service = await startAttestationService(config).catch((error: unknown) => {
    throw notStarted(error, "attestationService");
  });
  const { serviceUrls, metricsUrl } = service;
  if (readyFile !== undefined)
    await replaceFile(readyFile, JSON.stringify({ serviceUrls, metricsUrl, pid: process.pid }), 0o644);
  for (const [name, url] of Object.entries(serviceUrls))
    world.err(`keywarden: attestation service (${name}) listening on ${url}\n`);
  await untilStopped(service, world);
}

async function serve(world: World, { config: file, readyFile }: Options): Promise<void> {
  const config = await loadedConfig(file, world);
  const { startKeywarden } = await import("../../main.ts");
  const server = await startKeywarden(config).catch((error: unknown) => {
    throw notStarted(error, "server.host, server.port");
  });
  const { url, metricsUrl, serviceUrls } = server;
  if (readyFile !== undefined)
    await replaceFile(readyFile, JSON.stringify({ url, metricsUrl, serviceUrls, pid: process.pid }), 0o644);
  world.err(`keywarden: listening on ${url}\n`);
  await untilStopped(server, world);
}

async function loadedConfig(file: string, world: World): Promise<KeywardenConfig> {
  const { loadConfigFile, printFault } = await import("../../config/load.ts");
  const { config, faults } = await loadConfigFile(file, world.env);
  if (config !== undefined) return config;
  const lines = faults.map((fault) => printFault(fault, file));
  throw refused(["the server does not start with this configuration", ...lines].join("\n"));
}

interface Running {
  reload(): Promise<void>;
  close(): Promise<void>;
}

async function untilStopped(server: Running, world: World): Promise<void> {
  // What fails is logged, and the old certificate or audit file goes on being used.
  process.on("SIGHUP", () => void server.reload().catch(() => undefined));
  await stopSignal(world.env["npm_command"] !== undefined);
  await server.close();
}

/** @param options - where in the configuration the address stands */
function notStarted(error: unknown, options: string): unknown {
  if (error instanceof KbsError) return refused(`The server does not start: ${error.detail}`);
  const reason = LISTEN_FAULTS[codeOf(error)];
  return reason === undefined ? error : refused(`The server does not start: ${reason} (${options}).`);
}

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens on this address",
  EADDRNOTAVAIL: "this machine does not have this address",
  EACCES: "this user may not listen on this port",
};

/**
 * Resolves at the first signal; a second one ends the process at once, as people expect of Ctrl-C. Under npm it
 * also resolves when the parent is gone: `npx` ends at SIGTERM without passing it on to its shell and to us.
 */
function stopSignal(underNpm: boolean): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    if (!underNpm) return;
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      resolve();
    }, PARENT_CHECK_MS);
    watch.unref();
  });
}

const PARENT_CHECK_MS = 500;
