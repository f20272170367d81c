import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KbsError } from "../errors.ts";
import type { Health } from "../observability/health.ts";
import type { Metrics } from "../observability/metrics.ts";
import { listenOn } from "./listen.ts";
import { PROBLEM_TYPE, problemBody, toKbsError } from "./problem.ts";
import { readiness } from "./readiness.ts";

/**
 * `/metrics`, `/healthz` and `/readyz` on a listener of its own, so that whoever reaches the broker does not
 * thereby reach its numbers.
 */
export class MetricsListener {
  readonly #metrics: Metrics;
  readonly #health: Health;
  readonly #requestId: () => string;
  readonly #server: Server;

  constructor(metrics: Metrics, health: Health, requestId: () => string) {
    this.#metrics = metrics;
    this.#health = health;
    this.#requestId = requestId;
    this.#server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#refuse(response, toKbsError(error)));
    });
    this.#server.maxConnections = 64;
  }

  listen(port: number, host: string): Promise<AddressInfo> {
    return listenOn(this.#server, port, host);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz")
      throw new KbsError("not-found", "Only /metrics, /healthz and /readyz are answered here.");
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new KbsError("method-not-allowed", "Only GET is answered here.");
    if (path === "/metrics") {
      const { registry } = this.#metrics;
      respond(response, 200, registry.contentType, await registry.metrics());
    } else if (path === "/readyz") respond(response, 200, "application/json", await readiness(this.#health));
    else respond(response, 200, "text/plain; charset=utf-8", "");
  }

  #refuse(response: ServerResponse, error: KbsError): void {
    respond(response, error.status, PROBLEM_TYPE, problemBody(error, this.#requestId()));
  }
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  const headers = { "content-type": contentType, "content-length": Buffer.byteLength(body) };
  response.writeHead(status, headers).end(body);
}
