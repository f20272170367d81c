import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import { AuditedAdmin, type AuditSink } from "../../../src/http/audited.ts";
import { MetricsListener } from "../../../src/http/metrics-listener.ts";
import { AuditLog } from "../../../src/observability/audit-log.ts";
import { verifyAuditLog } from "../../../src/observability/audit-verify.ts";
import { MemorySessionStore } from "../../../src/sessions/memory-session-store.ts";
import { KeyRing } from "../../../src/sessions/seal.ts";
import { TestClock } from "../../support/clock.ts";
import {
  attest,
  attestBody,
  authenticate,
  call,
  raw,
  ScriptedAdmin,
  startServer,
  type TestServer,
  type TestServerOptions,
} from "../../support/http-server.ts";

const BEARER = { authorization: "Bearer header.payload.signature" };

const closing: (() => Promise<unknown>)[] = [];
async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  closing.push(server.close);
  return server;
}
// Also after a failed test: a server left listening would keep the run from ending.
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A promise and the function that settles it. */
function latch(): { passed: Promise<void>; pass: () => void } {
  let pass: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { passed, pass };
}

describe("replicas", () => {
  test("P77 auth on one, attest on the other, resource on either", async () => {
    const clock = new TestClock(Date.now());
    const shared = {
      clock,
      keys: new KeyRing([randomBytes(32)]),
      store: new MemorySessionStore({ now: clock.now, maxSessions: 10, maxBytes: 100_000 }),
    };
    const [one, other] = [await start(shared), await start(shared)];
    const { cookie, nonce } = await authenticate(one.port);
    const answer = await attest(other.port, cookie, attestBody(nonce));
    for (const replica of [one, other]) {
      await replica.call("GET", "/kbs/v0/resource/a/b/c", { headers: { cookie } });
      expect(replica.release.released[0]?.token).toBe(answer.json()["token"]);
    }
  });

  test("A4 one session attested on both at once ends in one token", async () => {
    const clock = new TestClock(Date.now());
    const shared = {
      clock,
      keys: new KeyRing([randomBytes(32)]),
      store: new MemorySessionStore({ now: clock.now, maxSessions: 10, maxBytes: 100_000 }),
    };
    const replicas = [await start(shared), await start(shared)];
    const both = latch();
    let meet = 0;
    for (const replica of replicas)
      replica.attestation.verdict = async () => {
        meet++;
        if (meet === 2) both.pass();
        await both.passed;
        return { token: `token.${meet}.x`, tokenExpiresAt: 0 };
      };
    const { cookie, nonce } = await authenticate(replicas[0]?.port ?? 0);
    const statuses = await Promise.all(
      replicas.map(async ({ port }, index) => {
        const body = attestBody(nonce, { "init-data": { format: "toml", body: String(index) } });
        return (await attest(port, cookie, body)).status;
      }),
    );
    expect(statuses.sort()).toEqual([200, 401]);
  });

  test("P78 a restart with the same keys and store keeps sessions alive", async () => {
    const clock = new TestClock(Date.now());
    const shared = {
      clock,
      keys: new KeyRing([randomBytes(32)]),
      store: new MemorySessionStore({ now: clock.now, maxSessions: 10, maxBytes: 100_000 }),
    };
    const first = await start(shared);
    const { cookie, nonce } = await authenticate(first.port);
    await first.close();
    const second = await start(shared);
    expect((await attest(second.port, cookie, attestBody(nonce))).status).toBe(200);
  });
});

describe("draining", () => {
  test("P79 an attestation under way is finished, nothing new is taken", async () => {
    const server = await start();
    const { cookie, nonce } = await authenticate(server.port);
    const [begun, finish] = [latch(), latch()];
    server.attestation.verdict = async () => {
      begun.pass();
      await finish.passed;
      return { token: "t.t.t", tokenExpiresAt: 0 };
    };
    const headers = { cookie, connection: "keep-alive" };
    const waiting = server.call("POST", "/kbs/v0/attest", { headers, body: attestBody(nonce) });
    await begun.passed;
    const drained = server.server.drain(60_000);
    expect((await server.health.report()).ready).toBe(false);
    await expect(call(server.port, "GET", "/healthz")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    finish.pass();
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(answer.headers.connection).toBe("close");
    expect(await drained).toBe(true);
  });

  test("P79 idle keep-alive connections do not hold the end up", async () => {
    const server = await start();
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(
        { host: "127.0.0.1", port: server.port, path: "/healthz", agent },
        (response) => {
          response.resume();
          response.on("end", resolve);
        },
      );
      request.on("error", reject);
      request.end();
    });
    expect(await server.server.drain(60_000)).toBe(true);
    agent.destroy();
  });

  test("P79 what is not finished at the deadline is cut off", async () => {
    const server = await start();
    const { cookie, nonce } = await authenticate(server.port);
    const begun = latch();
    server.attestation.verdict = () => {
      begun.pass();
      return new Promise(() => undefined);
    };
    const waiting = attest(server.port, cookie, attestBody(nonce));
    const outcome = waiting.then(
      () => "answered",
      () => "cut off",
    );
    await begun.passed;
    expect(await server.server.drain(10)).toBe(false);
    expect(await outcome).toBe("cut off");
  });
});

describe("logs", () => {
  async function wholeRun(server: TestServer): Promise<string[]> {
    const { cookie, nonce } = await authenticate(server.port);
    const token = "dG9rZW4taGVhZGVy.dG9rZW4tcGF5bG9hZA.dG9rZW4tc2lnbmF0dXJl";
    server.attestation.verdict = async () => ({ token, tokenExpiresAt: 0 });
    const body = attestBody(nonce, {
      "tee-evidence": { primary_evidence: { report: "ZXZpZGVuY2UtYnl0ZXM" }, additional_evidence: "" },
    });
    server.release.verdict = async () => ({
      status: 200,
      contentType: "text/xml",
      body: "the-released-secret",
    });
    await server.call("GET", "/kbs/v0/resource/a/b/c");
    await attest(server.port, cookie, body);
    await attest(server.port, cookie, `${body} `);
    await attest(server.port, `${cookie.slice(0, -3)}AAA`, body);
    await server.call("GET", "/kbs/v0/resource/a/b/c", { headers: { cookie } });
    await server.call("GET", `/kbs/v0/resource/a/b/c?k=${encodeURIComponent(nonce)}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await server.call("POST", "/kbs/v0/resource/a/b/c", {
      headers: { authorization: "Bearer admin" },
      body: "a-stored-secret",
    });
    await server.call("POST", "/kbs/v0/resource/a/b/c", {
      headers: { authorization: "Bearer YWRtaW4tdG9rZW4" },
    });
    const session = server.sessions.load(cookie.slice("kbs-session-id=".length));
    return [
      nonce,
      cookie.slice("kbs-session-id=".length),
      session.id,
      ...token.split("."),
      "ZXZpZGVuY2UtYnl0ZXM",
      "the-released-secret",
      "a-stored-secret",
      "YWRtaW4tdG9rZW4",
      "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
    ];
  }

  test("P80 A7 a whole run leaves no secret, token, nonce, evidence or session id in the log", async () => {
    const server = await start();
    const secrets = await wholeRun(server);
    const log = server.logged.join("");
    expect(server.logged).toHaveLength(9);
    for (const secret of secrets) expect(log).not.toContain(secret);
  });

  test("P80 one event per decision, with what it takes to follow it", async () => {
    const server = await start();
    await wholeRun(server);
    const events = server.logged.map((line) => JSON.parse(line));
    expect(events.map(({ event, outcome }) => [event, outcome])).toEqual([
      ["auth", "ok"],
      ["release", "token-missing"],
      ["attest", "ok"],
      ["attest", "session-completed"],
      ["attest", "session-unknown"],
      ["release", "ok"],
      ["release", "ok"],
      ["admin resource POST", "ok"],
      ["admin resource POST", "unauthenticated"],
    ]);
    const session = events[0].session;
    expect(session).toMatch(/^[0-9a-f]{16}$/);
    expect([events[2], events[5]].map((each) => each.session)).toEqual([session, session]);
    for (const each of events)
      expect(each).toMatchObject({
        requestId: expect.any(String),
        client: "127.0.0.1",
        durationMs: expect.any(Number),
      });
    expect(events[2]).toMatchObject({ tee: "snp" });
    expect(events[5]).toMatchObject({ path: "resource/a/b/c", tee: "snp" });
  });

  test("E14 names cannot begin a line or turn the text around", async () => {
    const server = await start();
    const name = encodeURIComponent('a\r\n{"level":"info","event":"release"}\u001b[2J\u202e\u0085');
    await server.call("GET", `/kbs/v0/resource/${name}/b/c`, { headers: BEARER });
    await server.call("GET", `/kbs/v0/${name}`, { headers: BEARER });
    await server.call("POST", `/kbs/v0/resource/${name}/b/c`, { headers: BEARER });
    expect(server.logged).toHaveLength(3);
    for (const line of server.logged) {
      expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
      JSON.parse(line);
    }
  });

  test("a refusal and its log line share the request id", async () => {
    const server = await start();
    const answer = await server.call("GET", "/kbs/v0/resource/a/b/c");
    expect(JSON.parse(server.logged[0] ?? "").requestId).toBe(answer.json()["instance"]);
  });
});

describe("metrics", () => {
  test("P9 E8 are served by a listener of their own, parsable, and without a resource path", async () => {
    const server = await start();
    const listener = new MetricsListener(server.metrics, server.health, () => "id");
    closing.push(() => listener.close());
    const { port } = await listener.listen(0, "127.0.0.1");
    await authenticate(server.port);
    await server.call("GET", "/kbs/v0/resource/team-red/key/very-secret-name", { headers: BEARER });
    const answer = await call(port, "GET", "/metrics");
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(answer.text).not.toMatch(/team-red|very-secret-name|resource_path/);
    for (const line of answer.text.trimEnd().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)*\})? [-+0-9.eINafn]+|)$/);
    expect(answer.text).toMatch(/^kbs_auth_successes_total 1$/m);
    expect(answer.text).toMatch(/^kbs_resource_reads_total 1$/m);
    expect(answer.text).toMatch(/^kbs_policy_approvals_total 1$/m);
    expect((await call(port, "GET", "/kbs/v0/auth")).json()).toMatchObject({ code: "not-found" });
    expect((await call(port, "POST", "/metrics")).status).toBe(405);
    expect((await call(port, "GET", "/readyz")).json()).toMatchObject({ ready: true });
    expect((await server.call("GET", "/metrics")).status).toBe(404);
  });

  test("E8 the main listener shows them only to whom it was told to", async () => {
    const server = await start({ options: { metricsFor: "loopback", trustedProxies: ["127.0.0.1"] } });
    expect((await server.call("GET", "/metrics")).status).toBe(200);
    const far = await server.call("GET", "/metrics", { headers: { "x-forwarded-for": "192.0.2.1" } });
    expect(far.status).toBe(404);
  });

  test.each(["x-forwarded-for", "forwarded", "x-real-ip", "via"])(
    "E8 a proxy on this machine that says so in %s asks for somebody else",
    async (name) => {
      const server = await start({ options: { metricsFor: "loopback" } });
      const headers = { [name]: "192.0.2.1" };
      expect((await server.call("GET", "/metrics", { headers })).status).toBe(404);
    },
  );

  test("verdicts are counted by TEE, refusals by code", async () => {
    const server = await start();
    const { cookie, nonce } = await authenticate(server.port);
    const { verdict } = server.attestation;
    server.attestation.verdict = async () => {
      throw new KbsError("evidence-rejected", "no");
    };
    await attest(server.port, cookie, attestBody(nonce));
    server.attestation.verdict = verdict;
    await attest(server.port, cookie, attestBody(nonce));
    await server.call("POST", "/kbs/v0/attest", { body: "{}" });
    const text = await server.metrics.registry.metrics();
    expect(text).toMatch(/^kbs_attestation_requests_total 3$/m);
    expect(text).toMatch(/^kbs_attestation_successes_total\{tee_type="snp"\} 1$/m);
    expect(text).toMatch(/^kbs_attestation_failures_total\{tee_type="snp"\} 1$/m);
    expect(text).toMatch(/^kbs_attestation_errors_total 1$/m);
    expect(text).toMatch(/^kbs_problems_total\{code="session-unknown"\} 1$/m);
  });

  test("requests in flight do not drift when clients leave", async () => {
    const server = await start();
    await raw(server.port, "GET /kbs/v0/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const begun = latch();
    const aborted = latch();
    server.release.verdict = (_, signal) => {
      signal.addEventListener("abort", aborted.pass);
      begun.pass();
      return new Promise(() => undefined);
    };
    const request = httpRequest({
      host: "127.0.0.1",
      port: server.port,
      path: "/kbs/v0/resource/a/b/c",
      headers: BEARER,
      agent: false,
    });
    request.on("error", () => undefined);
    request.end();
    await begun.passed;
    expect((await server.metrics.httpActive.get()).values[0]?.value).toBe(1);
    request.destroy();
    await aborted.passed;
    expect((await server.metrics.httpActive.get()).values[0]?.value).toBe(0);
  });
});

describe("audit", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "keywarden-audit-"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const failing: AuditSink = {
    record: () => Promise.reject(new KbsError("audit-unavailable", "The audit record could not be written.")),
  };

  test("E13 a release that could not be recorded is 503, and nothing of it is in the answer", async () => {
    const server = await start();
    server.release.verdict = async () => {
      await failing.record({ event: "release" });
      return { status: 200, contentType: "application/json", body: "the-released-secret" };
    };
    const answer = await server.call("GET", "/kbs/v0/resource/a/b/c", { headers: BEARER });
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ code: "audit-unavailable" });
    expect(answer.text).not.toContain("the-released-secret");
  });

  test("E13 a change whose record cannot be written is not made", async () => {
    const inner = new ScriptedAdmin();
    const server = await start({ admin: new AuditedAdmin(inner, failing, () => 0) });
    const answer = await server.call("POST", "/kbs/v0/resource/a/b/c", {
      headers: { authorization: "Bearer admin" },
      body: "x",
    });
    expect(answer.json()).toMatchObject({ code: "audit-unavailable" });
    expect(inner.performed).toHaveLength(0);
  });

  test("E13 E14 every administrative decision is on record, in order, in an intact chain", async () => {
    const path = join(folder, "audit.log");
    const log = await AuditLog.open({ path, now: Date.now });
    const server = await start({ admin: new AuditedAdmin(new ScriptedAdmin(), log, () => 0) });
    const name = encodeURIComponent("a\n{}");
    const headers = { authorization: "Bearer admin" };
    await server.call("POST", `/kbs/v0/resource/${name}/b/c`, { headers, body: "a-stored-secret" });
    await server.call("POST", "/kbs/v0/resource-policy", { body: "x" });
    await server.close();
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 3 });
    const text = await readFile(path, "utf8");
    const lines = text.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).record)).toMatchObject([
      {
        event: "admin",
        operation: "plugin",
        path: "resource/a\n{}/b/c",
        administrator: "ops",
        role: "admin",
        outcome: "accepted",
      },
      { event: "admin", operation: "plugin", outcome: "done" },
      { event: "admin", operation: "resource-policy.set", outcome: "unauthenticated" },
    ]);
    expect(text).not.toMatch(/a-stored-secret|Bearer/);
  });
});
