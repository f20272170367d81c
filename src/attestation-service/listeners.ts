import {
  createServer as createPlain,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTls } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket, type TlsOptions } from "node:tls";
import { KbsError } from "../errors.ts";
import { type CallOrigin, GrpcServer } from "../grpc/server.ts";
import { loadServices } from "../grpc/services.ts";
import { Deadlines } from "../http/deadlines.ts";
import type { ExchangeEnvironment } from "../http/exchange.ts";
import { ExpressDoor } from "../http/express-door.ts";
import { listenOn } from "../http/listen.ts";
import { MemoryBudget } from "../http/memory-budget.ts";
import type { AdminIdentity, AdminPort, WellKnownPort } from "../http/ports.ts";
import { isServerFault, PROBLEM_TYPE, problemBody, toKbsError } from "../http/problem.ts";
import { type TlsMaterial, tlsOptions } from "../http/tls.ts";
import { writeJson } from "../json/write.ts";
import type { Health } from "../observability/health.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Callers } from "./callers.ts";
import type { EvaluationService } from "./evaluation.ts";
import {
  attestationTables,
  permissionsOf,
  referenceValueTables,
  servedServices,
  type Table,
} from "./grpc-door.ts";
import { RestDoor } from "./rest-door.ts";

export interface ServiceLimits {
  readonly maxMessageBytes: number;
  readonly maxConcurrentCalls: number;
  readonly maxConnections: number;
  readonly deadlineSeconds: number;
}

export interface ServiceParts {
  readonly evaluation: EvaluationService;
  readonly callers: Callers;
  readonly admin: AdminPort;
  readonly wellKnown: WellKnownPort;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
  readonly requestId: () => string;
  readonly limits: ServiceLimits;
  /** PEM roots of clients' certificates. */
  readonly clientAuthorities: string | undefined;
}

/** One open door of the attestation service. */
export interface Listener {
  /** @returns the address, with the port that was chosen @throws Node's own error */
  listen(port: number, host: string): Promise<AddressInfo>;
  replaceCertificate(material: TlsMaterial): void;
  /** Takes nothing further and lets what is under way end. @returns whether it did within the time */
  drain(deadlineMilliseconds: number): Promise<boolean>;
}

/** Bodies of the largest size that are held at once. */
const LARGE_BODIES = 32;
const MAX_HEADER_BYTES = 64 << 10;

/** @param which - all of the service, or the reference values alone */
export async function openGrpcListener(
  which: "attestation" | "reference-values",
  tls: TlsMaterial | undefined,
  parts: ServiceParts,
): Promise<Listener> {
  const services = await loadServices();
  const tables = (which === "attestation" ? attestationTables : referenceValueTables)(services, parts);
  const server = grpcServer(tables, tls, parts);
  server.server.on("error", (err) => parts.log.error({ event: "listener-error", err }));
  return {
    listen: (port, host) => listenOn(server.server, port, host),
    replaceCertificate: (material) => replace(server.server, material, parts),
    drain: (deadline) => server.drain(deadline),
  };
}

function grpcServer(
  tables: readonly Table[],
  tls: TlsMaterial | undefined,
  parts: ServiceParts,
): GrpcServer<AdminIdentity> {
  const { callers, limits, metrics, requestId } = parts;
  const permissions = permissionsOf(tables);
  return new GrpcServer<AdminIdentity>({
    ...limits,
    services: servedServices(tables),
    authorize: async (path, origin, signal) => {
      const asked = permissions.get(path);
      // Health, and paths that nobody serves, which are answered as not implemented.
      if (asked === undefined) return { name: "anonymous", role: "anonymous" };
      return callers.authorize(asked, origin, origin, signal);
    },
    isPublic: (path) => permissions.get(path) === undefined,
    tls: serverTls(tls, parts),
    http1: (request, response) => servePlain(request, response, parts),
    deadlineMilliseconds: limits.deadlineSeconds * 1000,
    requestId,
    onRefusedConnection: () => metrics.connectionsRefused.inc(),
    onEnd: (path, outcome, origin, error) => note(path, outcome, origin, error, parts),
    toKbsError,
  });
}

function note(
  path: string,
  outcome: string,
  { requestId, client }: CallOrigin,
  error: KbsError | undefined,
  { log, metrics }: ServiceParts,
): void {
  const entry = { event: "grpc", path, requestId, client, outcome };
  metrics.attestationServiceCalls.inc({ interface: "grpc", outcome });
  if (error === undefined) log.info(entry);
  else if (isServerFault(error.code)) log.error({ ...entry, reason: error.detail, err: error });
  else log.info({ ...entry, reason: error.detail });
}

/** What relying parties fetch from the port that speaks gRPC: the key set, and nothing else. */
function servePlain(request: IncomingMessage, response: ServerResponse, parts: ServiceParts): void {
  const { wellKnown, requestId } = parts;
  const path = (request.url ?? "").split("?", 1)[0];
  const asked = path === "/.well-known/jwks.json" && (request.method === "GET" || request.method === "HEAD");
  const refusal = new KbsError("not-found", "Over HTTP/1.1 this port answers /.well-known/jwks.json only.");
  const body = asked ? writeJson(wellKnown.jwks()) : problemBody(refusal, requestId());
  response
    .writeHead(asked ? 200 : refusal.status, {
      "content-type": asked ? "application/json" : PROBLEM_TYPE,
      "content-length": Buffer.byteLength(body),
    })
    .end(body);
}

/** Client certificates are asked for where their roots are known; whoever shows none may still have a token. */
function serverTls(
  tls: TlsMaterial | undefined,
  { clientAuthorities }: ServiceParts,
): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  if (clientAuthorities === undefined) return tlsOptions(tls);
  return { ...tlsOptions(tls), ca: clientAuthorities, requestCert: true, rejectUnauthorized: false };
}

function replace(server: object, material: TlsMaterial, parts: ServiceParts): void {
  if (!("setSecureContext" in server) || typeof server.setSecureContext !== "function") return;
  server.setSecureContext(serverTls(material, parts));
}

export function openRestListener(tls: TlsMaterial | undefined, parts: ServiceParts): Listener {
  const { limits, log, metrics, monotonic } = parts;
  const deadlineMilliseconds = limits.deadlineSeconds * 1000;
  const deadlines = new Deadlines(deadlineMilliseconds, monotonic);
  let draining = false;
  const environment: ExchangeEnvironment = {
    log,
    metrics,
    monotonic,
    deadlineMilliseconds,
    deadlines,
    memory: new MemoryBudget(LARGE_BODIES * limits.maxMessageBytes),
    draining: () => draining,
  };
  const door = restDoor(environment, tls === undefined ? "http" : "https", parts);
  const server = httpServer(tls, parts, (request, response) => door.handle(request, response));
  return {
    listen: (port, host) => listenOn(server, port, host),
    replaceCertificate: (material) => replace(server, material, parts),
    drain: async (deadline) => {
      draining = true;
      const finished = await closed(server, deadline);
      deadlines.stop();
      return finished;
    },
  };
}

function restDoor(environment: ExchangeEnvironment, scheme: "http" | "https", parts: ServiceParts): RestDoor {
  const { evaluation, admin, callers, limits, requestId } = parts;
  const { maxMessageBytes, maxConcurrentCalls } = limits;
  // Nothing is released here: the broker's paths do not exist.
  const release = {
    access: () => undefined,
    release: () => Promise.reject(new KbsError("not-found", "There is nothing at this path.")),
  };
  return new RestDoor({
    evaluation,
    admin,
    authorize: (asked, exchange, credentials) =>
      callers.authorize(asked, credentials, exchange, exchange.signal),
    others: new ExpressDoor({
      ...parts,
      admin: byAnyCredential(parts),
      release,
      maxBodyBytes: maxMessageBytes,
      publicScheme: scheme,
      metricsFor: "nobody",
    }),
    maxMessageBytes,
    maxConcurrentCalls,
    environment,
    requestId,
    certificateOf,
  });
}

/** The calls of the KBS API at this door take what the other calls here take. */
function byAnyCredential({ admin, callers }: ServiceParts): AdminPort {
  return {
    authorize: ({ authorization, ...call }, context, signal) => {
      const reads = call.method === "GET" && call.operation.startsWith("reference-value.");
      const asked = {
        ...call,
        permission: reads ? ("read-reference-values" as const) : ("administer" as const),
      };
      return callers.authorize(asked, { authorization, certificate: undefined }, context, signal);
    },
    perform: (...asked) => admin.perform(...asked),
  };
}

/** DER of a certificate that chains to the configured roots. */
function certificateOf({ socket }: IncomingMessage): Buffer | undefined {
  return socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined;
}

function httpServer(
  tls: TlsMaterial | undefined,
  parts: ServiceParts,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const { limits, log, metrics } = parts;
  const milliseconds = limits.deadlineSeconds * 1000;
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: Math.min(10_000, milliseconds),
    requestTimeout: milliseconds,
    connectionsCheckingInterval: 2_000,
    noDelay: true,
  };
  const secure = serverTls(tls, parts);
  const server =
    secure === undefined
      ? createPlain(options, serve)
      : createTls({ ...options, ...secure, handshakeTimeout: 10_000 }, serve);
  server.maxConnections = limits.maxConnections;
  server.timeout = 2 * milliseconds;
  server.on("drop", () => metrics.connectionsRefused.inc());
  server.on("error", (err) => log.error({ event: "listener-error", err }));
  return server;
}

async function closed(server: Server, deadlineMilliseconds: number): Promise<boolean> {
  let finished = true;
  const cutOff = setTimeout(() => {
    finished = false;
    server.closeAllConnections();
  }, deadlineMilliseconds);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cutOff);
  return finished;
}
