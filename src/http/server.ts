import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { KbsError } from "../errors.ts";
import type { Health } from "../observability/health.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { TrustedProxies } from "./client-prefix.ts";
import { limitConnections } from "./connections.ts";
import { Deadlines } from "./deadlines.ts";
import { type DispatcherDependencies, dispatch, MAX_HEADERS } from "./dispatcher.ts";
import { Exchange, type ExchangeEnvironment } from "./exchange.ts";
import { ExpressDoor } from "./express-door.ts";
import { Gate } from "./gate.ts";
import { GuestDoor } from "./guest-door.ts";
import { listenOn } from "./listen.ts";
import { parserRefusal, refuseRaw } from "./malformed-http.ts";
import { MemoryBudget } from "./memory-budget.ts";
import type { AdminPort, AttestationPort, EnrolmentPort, ReleasePort, WellKnownPort } from "./ports.ts";
import { DEFAULT_RATE_LIMITS, RateLimits, type RateLimitsOptions } from "./rate-limits.ts";
import { type TlsMaterial, tlsOptions } from "./tls.ts";

/** Bodies of the largest size that are held at once. */
const LARGE_BODIES = 64;

/** Bounds of everything a peer can make the server spend. All of them have a value; none can be switched off. */
export interface HttpLimits {
  readonly maxBodyBytes: number;
  /** Size of the request head; a Bearer token with GPU evidence takes more than 128 KiB. */
  readonly maxHeaderBytes: number;
  /** Time for the request head to arrive. */
  readonly headersTimeoutSeconds: number;
  /** Time for the whole request to arrive. */
  readonly requestTimeoutSeconds: number;
  readonly keepAliveSeconds: number;
  /** Time for the answer, once the head has arrived. Clients give up after 60 seconds. */
  readonly deadlineSeconds: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerPrefix: number;
  readonly rates: RateLimitsOptions;
  /** Appraisals at once. */
  readonly maxAttestations: number;
  /** Appraisals waiting for their turn. */
  readonly maxWaitingAttestations: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxBodyBytes: 2 << 20,
  maxHeaderBytes: 1 << 20,
  headersTimeoutSeconds: 10,
  requestTimeoutSeconds: 60,
  keepAliveSeconds: 75,
  deadlineSeconds: 50,
  maxConnections: 10_000,
  maxConnectionsPerPrefix: 2_000,
  rates: DEFAULT_RATE_LIMITS,
  maxAttestations: 256,
  maxWaitingAttestations: 1_024,
};

export interface KbsServerOptions {
  readonly limits: HttpLimits;
  /** `undefined`: plain http. */
  readonly tls: TlsMaterial | undefined;
  /** The scheme that clients use, which is another one than the server's behind a proxy that ends TLS. */
  readonly publicScheme: "http" | "https";
  /** Addresses or networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Append the failed check to the `detail` of `/attest`, for guests that log nothing else. */
  readonly explainInDetail: boolean;
  /** Who is answered when asking this listener, and not the one of its own, for /metrics. */
  readonly metricsFor: "loopback" | "everyone" | "nobody";
  /** How often connections are looked through for timeouts. */
  readonly connectionCheckMilliseconds?: number;
}

export interface KbsServerDependencies {
  readonly sessions: Sessions;
  readonly attestation: AttestationPort;
  /** Where appraisals take turns, if something else has to know it; its bounds then replace those of the limits. */
  readonly attestGate?: Gate;
  readonly release: ReleasePort;
  readonly admin: AdminPort;
  readonly wellKnown: WellKnownPort;
  /** `undefined`: machines cannot be enrolled here. */
  readonly enrolment?: EnrolmentPort | undefined;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
  /** A fresh id for a request, unique for as long as logs are kept. */
  readonly requestId: () => string;
}

/** The broker's HTTP server: one listener, two doors behind it. */
export class KbsServer {
  readonly #parts: KbsServerDependencies;
  readonly #server: Server;
  readonly #doors: DispatcherDependencies;
  readonly #environment: ExchangeEnvironment;
  readonly #proxies: TrustedProxies;
  /** The exchange under way on a connection; a parser error in the middle of it is answered through it. */
  readonly #current = new WeakMap<Socket, Exchange>();
  #draining = false;

  /** @throws RangeError for a trusted proxy that is no network; the TLS library's error for bad key material */
  constructor(options: KbsServerOptions, parts: KbsServerDependencies) {
    const { limits } = options;
    const { metrics, log, monotonic } = parts;
    this.#parts = parts;
    this.#proxies = new TrustedProxies(options.trustedProxies);
    const deadlineMilliseconds = limits.deadlineSeconds * 1000;
    const deadlines = new Deadlines(deadlineMilliseconds, monotonic);
    const draining = () => this.#draining;
    const memory = new MemoryBudget(LARGE_BODIES * limits.maxBodyBytes);
    this.#environment = { log, metrics, monotonic, deadlineMilliseconds, deadlines, memory, draining };
    this.#doors = createDoors(options, parts);
    this.#server = createNodeServer(options);
    this.#listenTo(this.#server);
    limitConnections(this.#server, limits, this.#proxies, () => metrics.connectionsRefused.inc());
  }

  /** Begins to listen. @returns the address, with the port that was chosen when `port` is 0 */
  listen(port: number, host: string): Promise<AddressInfo> {
    return listenOn(this.#server, port, host);
  }

  /** Serves new connections with another certificate; open ones go on with theirs. */
  replaceCertificate(material: TlsMaterial): void {
    if ("setSecureContext" in this.#server && typeof this.#server.setSecureContext === "function")
      this.#server.setSecureContext(tlsOptions(material));
  }

  /**
   * Stops in good order: not ready, no new connections, requests under way are finished.
   *
   * @param deadlineMilliseconds - after it what is left is cut off
   * @param noticeMilliseconds - time between "not ready" and closing the door, for load balancers to notice
   * @returns whether everything finished by itself
   */
  async drain(deadlineMilliseconds: number, noticeMilliseconds = 0): Promise<boolean> {
    this.#draining = true;
    this.#parts.health.startDraining();
    if (noticeMilliseconds > 0) await new Promise((resolve) => setTimeout(resolve, noticeMilliseconds));
    let finished = true;
    const cutOff = setTimeout(() => {
      finished = false;
      this.#server.closeAllConnections();
    }, deadlineMilliseconds);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
    });
    clearTimeout(cutOff);
    this.#environment.deadlines.stop();
    return finished;
  }

  #listenTo(server: Server): void {
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      this.#serve(request, response);
    // Nobody would catch it: failures to listen are reported by listen() beside this.
    server.on("error", (err) => this.#parts.log.error({ event: "listener-error", err }));
    server.on("request", onRequest);
    // Node would answer these itself, without a body.
    server.on("checkExpectation", onRequest);
    server.on("connect", (_request: IncomingMessage, socket: Socket) =>
      refuseRaw(
        socket,
        new KbsError("method-not-allowed", "This server is not a proxy."),
        this.#parts.requestId(),
      ),
    );
    server.on("clientError", (error: Error, socket: Socket) => this.#refuseMalformed(error, socket));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const peer = socket.remoteAddress ?? "";
    const client = this.#proxies.clientOf(peer, headerText(request.headers["x-forwarded-for"]));
    const exchange = new Exchange(request, response, this.#parts.requestId(), client, this.#environment);
    this.#current.set(socket, exchange);
    void dispatch(exchange, this.#doors);
  }

  #refuseMalformed(error: Error, socket: Socket): void {
    const refusal = parserRefusal(error);
    const exchange = this.#current.get(socket);
    this.#parts.log.debug({ event: "malformed-http", outcome: refusal.code, client: socket.remoteAddress });
    if (exchange !== undefined && !exchange.response.writableFinished) {
      exchange.refuse(refusal, ["connection", "close"]);
      socket.destroySoon();
      return;
    }
    this.#parts.metrics.problems.inc({ code: refusal.code });
    refuseRaw(socket, refusal, this.#parts.requestId());
  }
}

function createDoors(options: KbsServerOptions, parts: KbsServerDependencies): DispatcherDependencies {
  const { limits, publicScheme, explainInDetail, metricsFor } = options;
  const { maxBodyBytes } = limits;
  const { maxAttestations, maxWaitingAttestations } = limits;
  const attestGate = parts.attestGate ?? new Gate(maxAttestations, maxWaitingAttestations);
  const secureCookies = publicScheme === "https";
  return {
    guests: new GuestDoor({ ...parts, attestGate, maxBodyBytes, secureCookies, explainInDetail }),
    others: new ExpressDoor({ ...parts, maxBodyBytes, publicScheme, metricsFor }),
    release: parts.release,
    metrics: parts.metrics,
    rates: new RateLimits(limits.rates, parts.monotonic, () => parts.metrics.rateLimited.inc()),
  };
}

function createNodeServer({ limits, tls, connectionCheckMilliseconds }: KbsServerOptions): Server {
  const options: ServerOptions = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutSeconds * 1000,
    requestTimeout: limits.requestTimeoutSeconds * 1000,
    keepAliveTimeout: limits.keepAliveSeconds * 1000,
    connectionsCheckingInterval: connectionCheckMilliseconds ?? 2_000,
    insecureHTTPParser: false,
    // Checked by the dispatcher, which answers with a body.
    requireHostHeader: false,
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createPlainServer(options)
      : createTlsServer({ ...options, ...tlsOptions(tls), handshakeTimeout: 10_000 });
  // Node drops what goes beyond without a word; one more than allowed lets the dispatcher notice.
  server.maxHeadersCount = MAX_HEADERS + 1;
  // A peer that neither sends nor reads is let go.
  server.timeout = 2 * Math.max(limits.requestTimeoutSeconds, limits.deadlineSeconds) * 1000;
  return server;
}

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(",") : value;
}
