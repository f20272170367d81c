import type { IncomingMessage } from "node:http";
import { KbsError } from "../errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Exchange } from "./exchange.ts";
import { ADMIN_NAMES, type ExpressDoor, pluginNotFound } from "./express-door.ts";
import type { GuestDoor } from "./guest-door.ts";
import type { ReleasePort } from "./ports.ts";
import type { RateClass, RateLimits } from "./rate-limits.ts";
import { parseTarget, type RequestTarget } from "./request-target.ts";

export interface DispatcherDependencies {
  readonly guests: GuestDoor;
  readonly others: ExpressDoor;
  readonly release: ReleasePort;
  readonly metrics: Metrics;
  readonly rates: RateLimits;
}

/** Most headers a request may have. */
export const MAX_HEADERS = 200;
const API_METHODS: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "DELETE"]);

/**
 * Decides which door a request goes through. Built-in calls come before plugins, and only in the methods they
 * have: any other method of theirs is looked for among the plugins, as clients of the reference server expect.
 */
export async function dispatch(exchange: Exchange, parts: DispatcherDependencies): Promise<void> {
  const { request } = exchange;
  try {
    checkHeaders(request);
    const target = parseTarget(request.url ?? "");
    if (target.kind === "api") await dispatchApi(exchange, target, parts);
    else serveOutside(exchange, target.path, parts);
  } catch (error) {
    exchange.refuse(error);
  }
}

/** Probes are few, and losing them to a limit would take a healthy server out of service. */
const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics"]);

function serveOutside(exchange: Exchange, path: string, parts: DispatcherDependencies): void {
  if (!PROBES.has(path)) parts.rates.check("resource", exchange.client);
  parts.others.handle(exchange, undefined);
}

async function dispatchApi(
  exchange: Exchange,
  target: RequestTarget & { kind: "api" },
  parts: DispatcherDependencies,
): Promise<void> {
  const { segments, query } = target;
  const method = exchange.request.method ?? "";
  countRequest(exchange.request, parts.metrics);
  const door = doorOf(method, segments, parts.release);
  parts.rates.check(RATE_OF[door], exchange.client);
  if (door === "auth") await parts.guests.auth(exchange);
  else if (door === "attest") await parts.guests.attest(exchange);
  else if (door === "release") await parts.guests.release(exchange, segments, query);
  else if (door === "others" || door === "enrol") parts.others.handle(exchange, target);
  else if (door === "method-not-allowed") refuseMethod(exchange);
  else exchange.refuse(pluginNotFound(segments[0] ?? ""));
}

type Door = "auth" | "attest" | "enrol" | "release" | "others" | "method-not-allowed" | "plugin-not-found";

/** Which limit a request counts against; what nobody answers is as cheap to ask for as a plugin. */
const RATE_OF: Readonly<Record<Door, RateClass>> = {
  auth: "auth",
  attest: "attest",
  enrol: "auth",
  release: "resource",
  others: "admin",
  "method-not-allowed": "resource",
  "plugin-not-found": "resource",
};

function doorOf(method: string, segments: readonly string[], release: ReleasePort): Door {
  const [name = "", ...path] = segments;
  if (!API_METHODS.has(method)) return "method-not-allowed";
  if (method === "POST" && (name === "auth" || name === "attest")) return name;
  if (name === "tpm" && path[0] === "enroll") return "enrol";
  if (ADMIN_NAMES.has(name) || isResourceList(method, segments)) return "others";
  const access = release.access(name, method, path);
  if (access === "token") return "release";
  return access === "admin" ? "others" : "plugin-not-found";
}

function refuseMethod(exchange: Exchange): void {
  const refusal = new KbsError("method-not-allowed", "Only GET, POST, PUT and DELETE are answered here.");
  exchange.refuse(refusal, ["allow", "GET, POST, PUT, DELETE"]);
}

/** `GET /kbs/v0/resource`, with or without a slash at its end, is an administrator's question for all names. */
function isResourceList(method: string, segments: readonly string[]): boolean {
  return (
    method === "GET" &&
    segments[0] === "resource" &&
    segments.slice(1).join("") === "" &&
    segments.length <= 2
  );
}

/**
 * Exactly one Host (RFC 9112 §3.2): proxies and servers that pick different ones serve different requests. And
 * no more headers than are read: the one that is dropped might be the one that matters.
 */
function checkHeaders(request: IncomingMessage): void {
  const { rawHeaders } = request;
  if (rawHeaders.length > 2 * MAX_HEADERS)
    throw new KbsError("header-too-large", `The request has more than ${MAX_HEADERS} headers.`);
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name !== undefined && name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  if (hosts > 1 || (hosts === 0 && request.httpVersion === "1.1"))
    throw new KbsError("malformed-request", "The request must have exactly one Host header.");
}

function countRequest(request: IncomingMessage, metrics: Metrics): void {
  metrics.httpRequests.inc();
  const length = Number(request.headers["content-length"] ?? 0);
  metrics.httpRequestSize.observe(Number.isFinite(length) ? length : 0);
}
