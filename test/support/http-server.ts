import { randomBytes, randomUUID } from "node:crypto";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { KbsError } from "../../src/errors.ts";
import type {
  AdminAnswer,
  AdminCall,
  AdminIdentity,
  AdminOperation,
  AdminPort,
  AppraisalAnswer,
  AppraisalRequest,
  AttestationPort,
  Challenge,
  ReleaseAnswer,
  ReleasePort,
  ReleaseRequest,
  WellKnownPort,
} from "../../src/http/ports.ts";
import {
  DEFAULT_HTTP_LIMITS,
  type HttpLimits,
  KbsServer,
  type KbsServerDependencies,
  type KbsServerOptions,
} from "../../src/http/server.ts";
import { Health, type HealthProbe } from "../../src/observability/health.ts";
import { createLogger, type LogLevel } from "../../src/observability/logger.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { MemorySessionStore } from "../../src/sessions/memory-session-store.ts";
import { KeyRing } from "../../src/sessions/seal.ts";
import { Sessions } from "../../src/sessions/sessions.ts";
import { TestClock } from "./clock.ts";

/**
 * A verifier that believes everything whose evidence says so: what these tests look at happens before and after
 * the appraisal, never in it.
 */
export class ScriptedAttestation implements AttestationPort {
  readonly appraised: AppraisalRequest[] = [];
  challengeAnswer: Challenge = { extraParams: "", hashAlgorithm: "sha384" };
  verdict: (request: AppraisalRequest, signal: AbortSignal) => Promise<AppraisalAnswer> = async (
    request,
  ) => ({
    token: `token.${request.nonce}.${this.appraised.length}`,
    tokenExpiresAt: 0,
  });

  async challenge(): Promise<Challenge> {
    return this.challengeAnswer;
  }

  async appraise(
    request: AppraisalRequest,
    _context: unknown,
    signal: AbortSignal,
  ): Promise<AppraisalAnswer> {
    this.appraised.push(request);
    return this.verdict(request, signal);
  }
}

export class ScriptedRelease implements ReleasePort {
  readonly released: ReleaseRequest[] = [];
  verdict: (request: ReleaseRequest, signal: AbortSignal) => Promise<ReleaseAnswer> = async () => ({
    status: 200,
    contentType: "application/json",
    body: '{"protected":"…"}',
  });

  access(plugin: string, method: string): "token" | "admin" | undefined {
    if (plugin === "echo") return "token";
    if (plugin !== "resource") return undefined;
    return method === "GET" || method === "PUT" ? "token" : "admin";
  }

  async release(request: ReleaseRequest, _context: unknown, signal: AbortSignal): Promise<ReleaseAnswer> {
    this.released.push(request);
    return this.verdict(request, signal);
  }
}

/** One administrator, whose credential is the word "admin". */
export class ScriptedAdmin implements AdminPort {
  readonly calls: AdminCall[] = [];
  readonly performed: AdminOperation[] = [];
  answer: AdminAnswer = {};

  async authorize(call: AdminCall): Promise<AdminIdentity> {
    this.calls.push(call);
    if (call.authorization !== "Bearer admin") throw new KbsError("unauthenticated", "no credentials.");
    return { name: "ops", role: "admin" };
  }

  async perform(operation: AdminOperation): Promise<AdminAnswer> {
    this.performed.push(operation);
    return this.answer;
  }
}

const wellKnown: WellKnownPort = {
  jwks: () => ({ keys: [] }),
  openidConfiguration: (origin) => ({ issuer: origin, jwks_uri: `${origin}/.well-known/jwks.json` }),
};

export interface TestServerOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly options?: Partial<KbsServerOptions>;
  readonly parts?: Partial<KbsServerDependencies>;
  readonly logLevel?: LogLevel;
  readonly probes?: readonly HealthProbe[];
  readonly keys?: KeyRing;
  readonly store?: MemorySessionStore;
  readonly clock?: TestClock;
  readonly release?: ReleasePort;
  readonly admin?: AdminPort;
}

/** A real server on a loopback port with scripted ports behind it. */
export async function startServer(given: TestServerOptions = {}) {
  const clock = given.clock ?? new TestClock(Date.now());
  const attestation = new ScriptedAttestation();
  const release = new ScriptedRelease();
  const admin = new ScriptedAdmin();
  const logged: string[] = [];
  const log = createLogger({
    level: given.logLevel ?? "info",
    destination: { write: (line) => void logged.push(line) },
  });
  const metrics = createMetrics({ version: "0", gitHash: "0", buildDate: "0" });
  const health = new Health({ probes: given.probes ?? [] });
  const store =
    given.store ?? new MemorySessionStore({ now: clock.now, maxSessions: 1000, maxBytes: 10_000_000 });
  const sessions = new Sessions({
    keys: given.keys ?? new KeyRing([randomBytes(32)]),
    store,
    now: clock.now,
    random: randomBytes,
    lifetimeSeconds: 300,
  });
  const server = new KbsServer(
    {
      limits: { ...DEFAULT_HTTP_LIMITS, ...given.limits },
      tls: undefined,
      publicScheme: "http",
      trustedProxies: [],
      explainInDetail: false,
      metricsFor: "nobody",
      ...given.options,
    },
    {
      sessions,
      attestation,
      release: given.release ?? release,
      admin: given.admin ?? admin,
      wellKnown,
      health,
      metrics,
      log,
      now: clock.now,
      monotonic: () => performance.now(),
      requestId: randomUUID,
      ...given.parts,
    },
  );
  const { port } = await server.listen(0, "127.0.0.1");
  return {
    server,
    port,
    clock,
    attestation,
    release,
    admin,
    metrics,
    health,
    logged,
    sessions,
    store,
    call: (method: string, path: string, more: CallOptions = {}) => call(port, method, path, more),
    close: () => server.drain(0),
  };
}

export type TestServer = Awaited<ReturnType<typeof startServer>>;

export interface CallOptions {
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  readonly json: () => Record<string, unknown>;
}

/** One request on a connection of its own, path sent exactly as given. */
export function call(port: number, method: string, path: string, more: CallOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = more.body === undefined ? {} : { "content-length": String(Buffer.byteLength(more.body)) };
    const request = httpRequest(
      { host: "127.0.0.1", port, method, path, agent: false, headers: { ...body, ...more.headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text),
          });
        });
      },
    );
    request.on("error", reject);
    request.end(more.body);
  });
}

/** Writes bytes as they are and gives back everything the server said until it closed the connection. */
export function raw(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part);
    });
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // The server may close while we still write: what it said before counts.
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}

/** The HTTP answers in what `raw` gave back: status and JSON body of each. */
export function answersIn(text: string): { status: number; body: string }[] {
  const answers: { status: number; body: string }[] = [];
  for (let rest = text; rest.startsWith("HTTP/1.1 "); ) {
    const end = rest.indexOf("\r\n\r\n");
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(rest.slice(0, end))?.[1] ?? 0);
    answers.push({ status: Number(rest.slice(9, 12)), body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

/** A TEE key as a guest sends it; nothing here decrypts with it. */
export const TEE_KEY = {
  kty: "EC",
  crv: "P-256",
  alg: "ECDH-ES+A256KW",
  x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
  y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
};

export const AUTH_BODY = JSON.stringify({ version: "0.4.0", tee: "snp", "extra-params": "" });

export function attestBody(nonce: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    "init-data": null,
    "runtime-data": { nonce, "tee-pubkey": TEE_KEY },
    "tee-evidence": { primary_evidence: { svn: "1" }, additional_evidence: "" },
    ...more,
  });
}

/** `/auth` → what the guest keeps of it. */
export async function authenticate(
  port: number,
  body = AUTH_BODY,
): Promise<{ cookie: string; nonce: string }> {
  const answer = await call(port, "POST", "/kbs/v0/auth", { body });
  if (answer.status !== 200) throw new Error(`/auth answered ${answer.status} ${answer.text}`);
  const cookie = answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  return { cookie, nonce: String(answer.json()["nonce"]) };
}

export const attest = (port: number, cookie: string, body: string): Promise<Answer> =>
  call(port, "POST", "/kbs/v0/attest", { headers: { cookie }, body });
