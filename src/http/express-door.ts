import type { IncomingMessage } from "node:http";
import express, { type ErrorRequestHandler, type Express } from "express";
import { KbsError } from "../errors.ts";
import { writeJson } from "../json/write.ts";
import type { Health } from "../observability/health.ts";
import type { Metrics } from "../observability/metrics.ts";
import { shortened } from "../observability/printable.ts";
import type { Exchange } from "./exchange.ts";
import type { AdminOperationName, AdminPort, EnrolmentPort, ReleasePort, WellKnownPort } from "./ports.ts";
import { reworded, toKbsError } from "./problem.ts";
import { readiness } from "./readiness.ts";
import { API_PREFIX, canonicalPath } from "./request-target.ts";

export interface ExpressDoorDependencies {
  readonly admin: AdminPort;
  readonly release: ReleasePort;
  readonly wellKnown: WellKnownPort;
  /** `undefined`: machines cannot be enrolled here. */
  readonly enrolment?: EnrolmentPort | undefined;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly maxBodyBytes: number;
  readonly publicScheme: "http" | "https";
  readonly metricsFor: "loopback" | "everyone" | "nobody";
}

/** What the dispatcher found out about a request below the prefix. */
export interface ApiTarget {
  readonly segments: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

type Method = "get" | "post" | "delete";

/**
 * The administrators' calls. `ignored`: segments after the first mean nothing here, and so are left out of what
 * the administrator's rule is matched against. Order matters: the first match runs.
 */
const ADMIN_ROUTES: readonly (readonly [Method, string, AdminOperationName, "ignored" | "matter"])[] = [
  ["post", "attestation-policy{/*rest}", "attestation-policy.set", "ignored"],
  ["get", "attestation-policy", "attestation-policy.list", "ignored"],
  ["get", "attestation-policy/*id", "attestation-policy.get", "matter"],
  ["delete", "attestation-policy/*id", "attestation-policy.delete", "matter"],
  ["post", "resource-policy{/*rest}", "resource-policy.set", "ignored"],
  ["get", "resource-policy", "resource-policy.list", "ignored"],
  ["get", "resource-policy/*id", "resource-policy.get", "matter"],
  ["delete", "resource-policy/*id", "resource-policy.delete", "matter"],
  ["post", "reference-value{/*rest}", "reference-value.set", "ignored"],
  ["get", "reference-value", "reference-value.list", "ignored"],
  ["get", "reference-value/*id", "reference-value.get", "matter"],
  ["delete", "reference-value/*id", "reference-value.delete", "matter"],
  ["delete", "reference-value", "reference-value.delete", "matter"],
  ["get", "resource", "resource.list", "ignored"],
  ["get", "tpm/enrollments", "tpm-enrolment.list", "matter"],
  ["get", "tpm/enrollments/:key", "tpm-enrolment.get", "matter"],
  ["post", "tpm/enrollments/:key/approve", "tpm-enrolment.approve", "matter"],
  ["post", "tpm/enrollments/:key/revoke", "tpm-enrolment.revoke", "matter"],
  ["delete", "tpm/enrollments/:key", "tpm-enrolment.delete", "matter"],
];

/** First segments that belong to administrators, whatever plugins there are. */
export const ADMIN_NAMES: ReadonlySet<string> = new Set([
  "attestation-policy",
  "resource-policy",
  "reference-value",
  "tpm",
]);

/** What a machine sends to be enrolled takes some kilobytes, certificates included. */
const MAX_ENROLMENT_BYTES = 256 << 10;

/** Everything that is not a guest's call: what people administer, read and probe. */
export class ExpressDoor {
  readonly #parts: ExpressDoorDependencies;
  readonly #app: Express;
  readonly #exchanges = new WeakMap<IncomingMessage, { exchange: Exchange; target: ApiTarget | undefined }>();

  constructor(parts: ExpressDoorDependencies) {
    this.#parts = parts;
    this.#app = express();
    this.#app.disable("x-powered-by").enable("case sensitive routing");
    this.#addHealth();
    this.#addMetrics();
    this.#addWellKnown();
    if (parts.enrolment !== undefined) this.#addEnrolment(parts.enrolment);
    for (const [method, path, operation, rest] of ADMIN_ROUTES) this.#addAdmin(method, path, operation, rest);
    this.#app.all(`${API_PREFIX}:plugin{/*path}`, (request) =>
      this.#start(request, (...at) => this.#plugin(...at)),
    );
    this.#app.use((request) => this.#start(request, nothingThere));
    // Express tells an error handler by its four parameters.
    const onError: ErrorRequestHandler = (error, request, _response, _next) =>
      this.#start(request, () => Promise.reject(error));
    this.#app.use(onError);
  }

  /**
   * @param target - what the dispatcher decoded. Express routes by the one encoded spelling of it, so what is
   *   routed and what is authorised cannot be two different things.
   */
  handle(exchange: Exchange, target: ApiTarget | undefined): void {
    const { request, response } = exchange;
    this.#exchanges.set(request, { exchange, target });
    if (target !== undefined) request.url = canonicalPath(target.segments);
    this.#app(request, response);
  }

  #start(request: IncomingMessage, action: (exchange: Exchange, target: ApiTarget) => Promise<void>): void {
    const found = this.#exchanges.get(request);
    if (found === undefined) return;
    const { exchange, target } = found;
    action(exchange, target ?? { segments: [], query: {} }).catch((error: unknown) => exchange.refuse(error));
  }

  #addHealth(): void {
    this.#app.get("/healthz", (request) =>
      this.#start(request, async (exchange) => {
        exchange.decision.event = "health";
        exchange.answer(200, "", "");
      }),
    );
    this.#app.get("/readyz", (request) =>
      this.#start(request, async (exchange) => {
        exchange.decision.event = "health";
        exchange.answer(200, "application/json", await readiness(this.#parts.health));
      }),
    );
  }

  #addMetrics(): void {
    const { metrics, metricsFor } = this.#parts;
    this.#app.get("/metrics", (request) =>
      this.#start(request, async (exchange) => {
        exchange.decision.event = "metrics";
        const near = isLoopback(exchange.client) && !isForwarded(request);
        const asked = metricsFor === "everyone" || (metricsFor === "loopback" && near);
        if (!asked) throw new KbsError("not-found", "There is nothing at this path.");
        exchange.answer(200, metrics.registry.contentType, await metrics.registry.metrics());
      }),
    );
  }

  #addWellKnown(): void {
    const { wellKnown, publicScheme } = this.#parts;
    this.#app.get("/.well-known/jwks.json", (request) =>
      this.#start(request, async (exchange) => {
        exchange.decision.event = "jwks";
        exchange.answer(200, "application/json", writeJson(wellKnown.jwks()));
      }),
    );
    this.#app.get("/.well-known/openid-configuration", (request) =>
      this.#start(request, async (exchange) => {
        exchange.decision.event = "openid-configuration";
        const origin = `${publicScheme}://${request.headers.host ?? "localhost"}`;
        exchange.answer(200, "application/json", writeJson(wellKnown.openidConfiguration(origin)));
      }),
    );
  }

  #addEnrolment(enrolment: EnrolmentPort): void {
    const { maxBodyBytes } = this.#parts;
    this.#app.post(`${API_PREFIX}tpm/enroll{/:id}`, (request) =>
      this.#start(request, async (exchange, { segments }) => {
        exchange.decision.event = "tpm-enrolment";
        const body = await exchange.body(Math.min(maxBodyBytes, MAX_ENROLMENT_BYTES));
        const [, , id] = segments;
        const answer =
          id === undefined
            ? enrolment.begin(body, exchange.client)
            : await enrolment.complete(id, body, exchange, exchange.signal);
        exchange.answer(200, "application/json", writeJson(answer));
      }),
    );
  }

  #addAdmin(method: Method, path: string, operation: AdminOperationName, rest: "ignored" | "matter"): void {
    this.#app[method](`${API_PREFIX}${path}`, (request) =>
      this.#start(request, (exchange, target) => {
        const [name] = target.segments;
        // A path that only Express takes for one of ours: nobody has decoded it, so nobody can authorise it.
        if (name === undefined) return nothingThere(exchange, target);
        const asked = rest === "ignored" ? [name] : target.segments;
        return this.#administer(exchange, { segments: asked, query: target.query }, operation);
      }),
    );
  }

  async #plugin(exchange: Exchange, target: ApiTarget): Promise<void> {
    const [plugin = "", ...path] = target.segments;
    const { release, metrics } = this.#parts;
    const method = exchange.request.method ?? "";
    if (release.access(plugin, method, path) !== "admin") return nothingThere(exchange, target);
    if (plugin === "resource" && method === "POST") metrics.resourceWrites.inc();
    if (plugin === "resource" && method === "DELETE") metrics.resourceDeletes.inc();
    await this.#administer(exchange, target, "plugin");
  }

  async #administer(exchange: Exchange, target: ApiTarget, operation: AdminOperationName): Promise<void> {
    const { admin, maxBodyBytes } = this.#parts;
    const { request, signal } = exchange;
    const [plugin = "", ...path] = target.segments;
    const method = request.method ?? "";
    const plainPath = API_PREFIX + target.segments.join("/");
    exchange.decision.event = `admin ${operation === "plugin" ? `${plugin} ${method}` : operation}`;
    exchange.decision.path = shortened(plainPath);
    const call = { operation, method, path: plainPath, authorization: request.headers.authorization };
    const administrator = await admin
      .authorize(call, exchange, signal)
      .catch((error: unknown) => Promise.reject(adminRefusal(toKbsError(error), plugin, operation)));
    exchange.decision.administrator = shortened(administrator.name);
    const body = await exchange.body(maxBodyBytes);
    const { query } = target;
    const asked = { operation, plugin, method, path, id: path.join("/"), query, body };
    const answer = await admin.perform(asked, administrator, exchange, signal);
    exchange.answer(200, answer.contentType ?? "", answer.body ?? "");
  }
}

/** Clients of the reference server know these refusals by these names; on plugin paths by the second one. */
function adminRefusal(error: KbsError, name: string, operation: AdminOperationName): KbsError {
  if (error.code !== "unauthenticated" && error.code !== "admin-forbidden") return error;
  return reworded(error, `admin access denied for endpoint ${shortened(name, 60)}: ${error.detail}`, {
    kbsType: operation === "plugin" ? "AdminAuthInitialization" : "AdminAuthAccess",
  });
}

function isLoopback(address: string): boolean {
  return address === "127.0.0.1" || address === "::1" || address === "::ffff:127.0.0.1";
}

/** Whether a proxy asks for somebody; one on this machine is near, and whoever it asks for need not be. */
function isForwarded({ headers }: IncomingMessage): boolean {
  return ["forwarded", "x-forwarded-for", "x-real-ip", "via"].some((name) => headers[name] !== undefined);
}

async function nothingThere(_exchange: Exchange, target: ApiTarget): Promise<void> {
  const [plugin] = target.segments;
  throw plugin === undefined
    ? new KbsError("not-found", "There is nothing at this path.")
    : pluginNotFound(plugin);
}

/** The refusal that KBS clients know for whatever nobody answers below the prefix. */
export function pluginNotFound(plugin: string): KbsError {
  return new KbsError("plugin-not-found", `Plugin ${shortened(plugin, 100)} not found`);
}
