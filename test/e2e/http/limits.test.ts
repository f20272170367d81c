import { connect } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { DEFAULT_RATE_LIMITS } from "../../../src/http/rate-limits.ts";
import {
  AUTH_BODY,
  answersIn,
  attest,
  attestBody,
  authenticate,
  raw,
  startServer,
  type TestServer,
  type TestServerOptions,
} from "../../support/http-server.ts";

let server: TestServer;
afterEach(() => server.close());
const start = async (options: TestServerOptions = {}) => {
  server = await startServer(options);
  return server;
};

/** Status and `code` of every answer on a raw connection; each must be a problem in JSON. */
async function refusals(...parts: (string | Buffer)[]): Promise<{ status: number; code: unknown }[]> {
  return answersIn(await raw(server.port, ...parts)).map(({ status, body }) => {
    const problem = JSON.parse(body);
    expect(problem).toMatchObject({ status, type: expect.any(String), detail: expect.stringMatching(/./) });
    return { status, code: problem.code };
  });
}

/** Waits for what happens by itself, without a clock of its own. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

const get = (headers: Record<string, string>) => server.call("GET", "/kbs/v0/resource/a/b/c", { headers });

describe("sizes", () => {
  test.each([100, 170, 900])("P2 a Bearer token of %d KiB works", async (kib) => {
    await start();
    const token = `${"a".repeat(kib * 1024)}.b.c`;
    expect((await get({ authorization: `Bearer ${token}` })).status).toBe(200);
    expect(server.release.released[0]?.token).toBe(token);
  });

  test("E9 a larger head is 431 with a JSON body", async () => {
    await start({ limits: { maxHeaderBytes: 200_000 } });
    const answers = await refusals(
      `GET /kbs/v0/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${"a".repeat(300_000)}\r\n\r\n`,
    );
    expect(answers).toEqual([{ status: 431, code: "header-too-large" }]);
  });

  test("P3 an /attest body of just 2 MiB is read, one byte more is 413", async () => {
    await start();
    const { cookie, nonce } = await authenticate(server.port);
    const frame = attestBody(nonce, { padding: "" });
    const filled = (bytes: number) => attestBody(nonce, { padding: "x".repeat(bytes - frame.length) });
    const tooLarge = await attest(server.port, cookie, filled((2 << 20) + 1));
    expect(tooLarge.status).toBe(413);
    expect(tooLarge.json()).toMatchObject({ code: "payload-too-large" });
    expect((await attest(server.port, cookie, filled(2 << 20))).status).toBe(200);
  });

  test("E1 E9 many large bodies that never end are refused, and guests are still served", async () => {
    await start({ limits: { maxBodyBytes: 300_000 } });
    const { cookie, nonce } = await authenticate(server.port);
    const head = `POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\nContent-Length: 300000\r\n\r\n`;
    const sockets = Array.from({ length: 150 }, () => connect(server.port, "127.0.0.1"));
    const refused = new Promise<string>((resolve) => {
      for (const socket of sockets) {
        socket.on("error", () => undefined);
        socket.on("data", (data) => resolve(data.toString("latin1")));
        socket.write(`${head}${" ".repeat(299_000)}`);
      }
    });
    expect(answersIn(await refused)).toMatchObject([
      { status: 503, body: expect.stringContaining("overloaded") },
    ]);
    expect((await attest(server.port, cookie, attestBody(nonce))).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await server.metrics.httpActive.get()).values[0]?.value === 0);
    const again = await authenticate(server.port);
    const frame = attestBody(again.nonce, { padding: "" });
    const large = attestBody(again.nonce, { padding: "x".repeat(299_000 - frame.length) });
    expect((await attest(server.port, again.cookie, large)).status).toBe(200);
  });

  test("E1 a request for a challenge may have 64 KiB", async () => {
    await start();
    const padded = (bytes: number) => AUTH_BODY.padEnd(bytes);
    expect((await server.call("POST", "/kbs/v0/auth", { body: padded(64 << 10) })).status).toBe(200);
    expect((await server.call("POST", "/kbs/v0/auth", { body: padded((64 << 10) + 1) })).status).toBe(413);
  });

  test("E9 a body that announces too much is refused before any of it was read", async () => {
    await start();
    const answers = answersIn(
      await raw(
        server.port,
        "POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n",
      ),
    );
    expect(answers.map((answer) => answer.status)).toEqual([413]);
    expect(JSON.parse(answers[0]?.body ?? "")).toMatchObject({ code: "payload-too-large" });
  });

  test("E9 a chunked body is refused as soon as it is too large, though its end never comes", async () => {
    await start({ limits: { maxBodyBytes: 1000 } });
    const chunk = `258\r\n${"x".repeat(600)}\r\n`;
    const answers = await refusals(
      "POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
      chunk,
      chunk,
    );
    expect(answers).toEqual([{ status: 413, code: "payload-too-large" }]);
  });

  test("E9 the connection is still good after a refused body", async () => {
    await start({ limits: { maxBodyBytes: 1000 } });
    const text = await raw(
      server.port,
      `POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n${"x".repeat(5000)}`,
      "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    expect(answersIn(text).map((answer) => answer.status)).toEqual([413, 200]);
  });

  test("E9 a peer that goes on sending after the refusal is cut off", async () => {
    await start({ limits: { maxBodyBytes: 1000 } });
    const socket = connect(server.port, "127.0.0.1");
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.write("POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n");
    const chunk = Buffer.alloc(1 << 16);
    const pump = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", pump);
    pump();
    await closed;
    expect(socket.bytesWritten).toBeLessThan(64 << 20);
  });

  test("E9 more headers than are read cannot hide one that matters", async () => {
    await start();
    const many = Array.from({ length: 5000 }, (_, index) => `X-${index}: 1\r\n`).join("");
    const answers = await refusals(
      `GET /kbs/v0/resource/a/b/c HTTP/1.1\r\nConnection: close\r\n${many}Host: a\r\n\r\n`,
    );
    expect(answers).toEqual([{ status: 431, code: "header-too-large" }]);
    expect(server.release.released).toHaveLength(0);
  });
});

describe("malformed HTTP", () => {
  test.each([
    ["no request line", "hello\r\n\r\n"],
    ["TLS to a plain port", Buffer.from("16030100a5010000a1", "hex")],
    ["HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"],
    ["a NUL in a header", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"],
    ["an unknown method", "FETCH / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["no Host", "GET /kbs/v0/x HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ["two Hosts", "GET /kbs/v0/x HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"],
  ])("E9 %s is 400 with a JSON body", async (_, bytes) => {
    await start();
    expect(await refusals(bytes)).toEqual([{ status: 400, code: "malformed-request" }]);
  });

  const inner = "GET /kbs/v0/resource/a/b/c HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer smuggled\r\n\r\n";
  const post = (headers: string, body: string) =>
    `POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`;
  test.each([
    [
      "Content-Length and Transfer-Encoding",
      post("Content-Length: 6\r\nTransfer-Encoding: chunked", `0\r\n\r\n${inner}`),
    ],
    [
      "Transfer-Encoding and Content-Length",
      post("Transfer-Encoding: chunked\r\nContent-Length: 4", `0\r\n\r\n${inner}`),
    ],
    ["two Content-Lengths", post("Content-Length: 0\r\nContent-Length: 5", inner)],
    ["a list of Content-Lengths", post("Content-Length: 0, 5", inner)],
    ["a signed Content-Length", post("Content-Length: +0", inner)],
    ["a hexadecimal Content-Length", post("Content-Length: 0x0", inner)],
    ["an unknown transfer coding", post("Transfer-Encoding: xchunked", `0\r\n\r\n${inner}`)],
    ["chunked not last", post("Transfer-Encoding: chunked, identity", `0\r\n\r\n${inner}`)],
    ["a tab before the transfer coding's colon", post("Transfer-Encoding\t: chunked", `0\r\n\r\n${inner}`)],
    ["a bad chunk size", post("Transfer-Encoding: chunked", `0x0\r\n\r\n${inner}`)],
    ["a chunk longer than its size", post("Transfer-Encoding: chunked", `1\r\nabc\r\n0\r\n\r\n${inner}`)],
    ["a bare line feed after the chunk size", post("Transfer-Encoding: chunked", `0\n\n${inner}`)],
    [
      "a folded header",
      `POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${inner}`,
    ],
  ])("E9 no request is smuggled behind %s", async (_, bytes) => {
    await start();
    const answers = answersIn(await raw(server.port, bytes, "\r\n\r\n"));
    expect(server.release.released).toHaveLength(0);
    expect(answers.length).toBeGreaterThan(0);
    for (const answer of answers) expect(answer.status).toBeGreaterThanOrEqual(400);
  });

  test("E9 pipelined requests are answered each in its place", async () => {
    await start();
    const one = `POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: ${AUTH_BODY.length}\r\n\r\n${AUTH_BODY}`;
    const last = "GET /kbs/v0/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    expect(answersIn(await raw(server.port, one + one + last)).map((answer) => answer.status)).toEqual([
      200, 200, 404,
    ]);
  });

  test("E9 a request that breaks off in its body is answered once and closed", async () => {
    await start();
    const answers = await refusals(post("Transfer-Encoding: chunked", "5\r\nabcde\r\nZZ\r\n"));
    expect(answers).toHaveLength(1);
    expect(answers[0]?.status).toBe(400);
  });

  test("CONNECT is refused with a JSON body", async () => {
    await start();
    expect(await refusals("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n")).toEqual([
      { status: 405, code: "method-not-allowed" },
    ]);
  });

  test("an Upgrade that nobody offers is ignored, an Expect answered", async () => {
    await start();
    const text = await raw(
      server.port,
      "GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
    );
    expect(answersIn(text).map((answer) => answer.status)).toEqual([200]);
    const expecting = await raw(
      server.port,
      "GET /kbs/v0/none HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n",
    );
    expect(answersIn(expecting).map((answer) => answer.status)).toEqual([404]);
  });
});

describe("slow and many peers", () => {
  const hasty = { headersTimeoutSeconds: 0.05, requestTimeoutSeconds: 600 };
  test.each([
    ["head", "GET /kbs/v0/x HTTP/1.1\r\nHost: a\r\nX-Slow", hasty],
    [
      "body",
      "POST /kbs/v0/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
      { headersTimeoutSeconds: 0.05, requestTimeoutSeconds: 0.05 },
    ],
  ])("E9 a %s that never ends is given up with a JSON body", async (_, bytes, limits) => {
    await start({ limits, options: { connectionCheckMilliseconds: 10 } });
    expect(await refusals(bytes)).toEqual([{ status: 408, code: "request-timeout" }]);
  });

  test("E9 a connection on which nothing comes is given up", async () => {
    await start({ limits: hasty, options: { connectionCheckMilliseconds: 10 } });
    expect(answersIn(await raw(server.port)).map((answer) => answer.status)).toEqual([408]);
  });

  test("E9 one prefix cannot hold more than its share of connections", async () => {
    await start({ limits: { maxConnectionsPerPrefix: 2 } });
    const held = [connect(server.port, "127.0.0.1"), connect(server.port, "127.0.0.1")];
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    expect(await raw(server.port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")).toBe("");
    for (const socket of held) socket.destroy();
    const metric = await server.metrics.connectionsRefused.get();
    expect(metric.values[0]?.value).toBe(1);
  });

  test("E2 a prefix beyond its rate is 429 with Retry-After; probes are not counted", async () => {
    await start({ limits: { rates: { ...DEFAULT_RATE_LIMITS, auth: { perSecond: 1e-6, burst: 2 } } } });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++)
      statuses.push((await server.call("POST", "/kbs/v0/auth", { body: AUTH_BODY })).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    const answer = await server.call("POST", "/kbs/v0/auth", { body: AUTH_BODY });
    expect(answer.headers["retry-after"]).toBe("1");
    expect(answer.json()).toMatchObject({ code: "rate-limited" });
    expect((await server.call("GET", "/healthz")).status).toBe(200);
  });

  test("E2 behind a trusted proxy each client has its own limit, and a claimed address earns nobody another", async () => {
    const rates = { ...DEFAULT_RATE_LIMITS, auth: { perSecond: 1e-6, burst: 1 } };
    await start({ limits: { rates }, options: { trustedProxies: ["127.0.0.1"] } });
    const from = async (forwarded: string) =>
      (
        await server.call("POST", "/kbs/v0/auth", {
          headers: { "x-forwarded-for": forwarded },
          body: AUTH_BODY,
        })
      ).status;
    expect([await from("192.0.2.1"), await from("192.0.2.1"), await from("192.0.2.2")]).toEqual([
      200, 429, 200,
    ]);
    expect(await from("198.51.100.7, 192.0.2.1")).toBe(429);
    expect([await from("2001:db8::1"), await from("2001:db8::2"), await from("2001:db8:0:1::1")]).toEqual([
      200, 429, 200,
    ]);
  });

  test("E2 without a trusted proxy a forwarded address is not looked at", async () => {
    await start({ limits: { rates: { ...DEFAULT_RATE_LIMITS, auth: { perSecond: 1e-6, burst: 1 } } } });
    const from = async (forwarded: string) =>
      (
        await server.call("POST", "/kbs/v0/auth", {
          headers: { "x-forwarded-for": forwarded },
          body: AUTH_BODY,
        })
      ).status;
    expect([await from("192.0.2.1"), await from("192.0.2.2")]).toEqual([200, 429]);
  });

  test("E1 abandoned handshakes leave nothing behind and others are still served", async () => {
    await start({ limits: { rates: { ...DEFAULT_RATE_LIMITS, auth: { perSecond: 1e6, burst: 1e6 } } } });
    for (let round = 0; round < 20; round++)
      await Promise.all(Array.from({ length: 50 }, () => authenticate(server.port)));
    expect(server.store.size).toBe(0);
    const { cookie, nonce } = await authenticate(server.port);
    expect((await attest(server.port, cookie, attestBody(nonce))).status).toBe(200);
  });

  test("E4 of many appraisals a bounded number runs, a bounded number waits, the rest is 503", async () => {
    await start({ limits: { maxAttestations: 2, maxWaitingAttestations: 1 } });
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    server.attestation.verdict = async (request) => {
      await held;
      return { token: `token.${request.nonce}.x`, tokenExpiresAt: 0 };
    };
    const guests = await Promise.all([0, 1, 2, 3].map(() => authenticate(server.port)));
    const answers: number[] = [];
    const all = guests.map(async ({ cookie, nonce }) => {
      const { status } = await attest(server.port, cookie, attestBody(nonce));
      answers.push(status);
      // The first answer is the refusal: nobody else can have finished.
      finish();
    });
    await Promise.all(all);
    expect(answers).toEqual([503, 200, 200, 200]);
  });

  test("E4 a verifier that hangs is answered at the deadline and told so; others are not held up", async () => {
    await start({ limits: { deadlineSeconds: 1 } });
    let told = false;
    server.attestation.verdict = (request, signal) => {
      if (request.tee !== "snp") return Promise.resolve({ token: "t.t.t", tokenExpiresAt: 0 });
      signal.addEventListener("abort", () => {
        told = true;
      });
      return new Promise(() => undefined);
    };
    const hung = await authenticate(server.port);
    const waiting = attest(server.port, hung.cookie, attestBody(hung.nonce));
    const other = await authenticate(server.port, '{"version":"0.4.0","tee":"tdx","extra-params":""}');
    expect((await attest(server.port, other.cookie, attestBody(other.nonce))).status).toBe(200);
    const answer = await waiting;
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ code: "overloaded" });
    expect(told).toBe(true);
  });

  test("a client that leaves cancels its work", async () => {
    await start();
    const { cookie, nonce } = await authenticate(server.port);
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const aborted = new Promise<void>((resolve) => {
      server.attestation.verdict = (_, signal) => {
        signal.addEventListener("abort", () => resolve());
        begun();
        return new Promise(() => undefined);
      };
    });
    const body = attestBody(nonce);
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `POST /kbs/v0/attest HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await started;
    socket.destroy();
    await aborted;
  });
});
