import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KbsError } from "../errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import { PROBLEM_TYPE, problemBody, toKbsError } from "./problem.ts";

/**
 * `GET /metrics` on a listener of its own, so that whoever reaches the broker does not thereby reach its
 * numbers.
 */
export class MetricsListener {
  readonly #metrics: Metrics;
  readonly #requestId: () => string;
  readonly #server: Server;

  constructor(metrics: Metrics, requestId: () => string) {
    this.#metrics = metrics;
    this.#requestId = requestId;
    this.#server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#refuse(response, toKbsError(error)));
    });
    this.#server.maxConnections = 64;
  }

  listen(port: number, host: string): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        const address = this.#server.address();
        if (typeof address === "object" && address !== null) resolve(address);
        else reject(new TypeError("the listener has no IP address"));
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== "/metrics") throw new KbsError("not-found", "Only /metrics is answered here.");
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new KbsError("method-not-allowed", "Only GET is answered here.");
    const { registry } = this.#metrics;
    const body = await registry.metrics();
    const headers = { "content-type": registry.contentType, "content-length": Buffer.byteLength(body) };
    response.writeHead(200, headers).end(body);
  }

  #refuse(response: ServerResponse, error: KbsError): void {
    const body = problemBody(error, this.#requestId());
    const headers = { "content-type": PROBLEM_TYPE, "content-length": Buffer.byteLength(body) };
    response.writeHead(error.status, headers).end(body);
  }
}
