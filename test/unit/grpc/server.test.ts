import { request as httpRequest } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import { type CallContext, GrpcServer, type GrpcServerOptions } from "../../../src/grpc/server.ts";
import { loadServices } from "../../../src/grpc/services.ts";
import { toKbsError } from "../../../src/http/problem.ts";
import { grpcClient } from "../../support/grpc-client.ts";

type Serve = (context: CallContext<string>) => Promise<object>;

const open: GrpcServer<string>[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.drain(100);
});

/** A server whose challenges are what the test makes of them. */
async function serving(serve: Serve, over: Partial<GrpcServerOptions<string>> = {}) {
  const { attestation } = await loadServices();
  const ended: string[] = [];
  const server = new GrpcServer<string>({
    services: [
      { definition: attestation, handlers: { GetAttestationChallenge: (_message, at) => serve(at) } },
    ],
    authorize: async () => "somebody",
    isPublic: () => false,
    tls: undefined,
    http1: (_request, response) => response.end("over HTTP/1.1"),
    maxMessageBytes: 1 << 20,
    maxConnections: 10,
    maxConcurrentCalls: 10,
    deadlineMilliseconds: 10_000,
    requestId: () => "id",
    onRefusedConnection: () => undefined,
    onEnd: (_path, outcome) => ended.push(outcome),
    toKbsError,
    ...over,
  });
  open.push(server);
  await new Promise<void>((resolve) => server.server.listen(0, "127.0.0.1", resolve));
  // It listens on an IP address.
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  const client = await grpcClient(url);
  const ask = () => client.call("attestation", "GetAttestationChallenge", {});
  return { server, url, ask, ended, close: () => client.close() };
}

/** Calls that are begun and never get their message. @returns how each of them ends: `grpc-status` */
function beginCalls(session: ClientHttp2Session, path: string, count: number): Promise<unknown>[] {
  return Array.from({ length: count }, () => {
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request(headers);
    return new Promise((resolve) => {
      const end = (answer: Record<string, unknown>) => {
        if (answer["grpc-status"] !== undefined) resolve(answer["grpc-status"]);
      };
      stream.on("response", end).on("trailers", end).on("error", resolve).resume();
    });
  });
}

const CHALLENGE = "/attestation.AttestationService/GetAttestationChallenge";

const hanging: Serve = () => new Promise(() => undefined);

describe("the gRPC server", () => {
  test("E1 one call more than may be in progress is refused, and the next after one ended is not", async () => {
    const release: (() => void)[] = [];
    const waiting: Serve = () => new Promise((resolve) => release.push(() => resolve({})));
    const { ask, close } = await serving(waiting, { maxConcurrentCalls: 2 });
    const first = [ask(), ask()];
    while (release.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(await ask()).toMatchObject({ code: status.RESOURCE_EXHAUSTED, problem: "rate-limited" });
    for (const each of release.splice(0)) each();
    expect((await Promise.all(first)).map(({ code }) => code)).toEqual([0, 0]);
    const next = ask();
    while (release.length < 1) await new Promise((resolve) => setImmediate(resolve));
    release[0]?.();
    expect((await next).code).toBe(status.OK);
    close();
  });

  test("E4 a handler that never ends is answered for at the deadline, and told to stop", async () => {
    let signal: AbortSignal | undefined;
    const { ask, ended, close } = await serving(
      (at) => {
        signal = at.signal;
        return hanging(at);
      },
      { deadlineMilliseconds: 200 },
    );
    expect(await ask()).toMatchObject({ code: status.UNAVAILABLE, problem: "overloaded" });
    expect(signal?.aborted).toBe(true);
    expect(ended).toEqual(["overloaded"]);
    close();
  });

  test("a caller that is refused reaches no handler", async () => {
    let reached = false;
    const { ask, close } = await serving(
      async () => {
        reached = true;
        return {};
      },
      { authorize: async () => Promise.reject(new KbsError("admin-forbidden", "No.")) },
    );
    expect(await ask()).toMatchObject({ code: status.PERMISSION_DENIED, details: "No." });
    expect(reached).toBe(false);
    close();
  });

  test("what nobody foresaw is internal, without a word of it", async () => {
    const { ask, ended, close } = await serving(() => Promise.reject(new Error("secret of the stack")));
    const answer = await ask();
    expect(answer).toMatchObject({ code: status.INTERNAL, problem: "internal" });
    expect(answer.details).not.toContain("secret");
    expect(ended).toEqual(["internal"]);
    close();
  });

  test("E4 a call whose message does not come is ended at the deadline, and gives back its place", async () => {
    const over = { deadlineMilliseconds: 200, maxConcurrentCalls: 2 };
    const { url, ask, ended, close } = await serving(async () => ({}), over);
    const session = connectHttp2(url);
    expect(await Promise.all(beginCalls(session, CHALLENGE, 2))).toEqual(["14", "14"]);
    expect((await ask()).code).toBe(status.OK);
    expect(ended).toEqual(["overloaded", "overloaded", "ok"]);
    session.destroy();
    close();
  });

  test("E1 strangers' calls take a share of the places, and leave the others to those with credentials", async () => {
    const open = "/attestation.AttestationService/SetAttestationPolicy";
    const over = { maxConcurrentCalls: 8, isPublic: (path: string) => path === open };
    const { url, ask, close } = await serving(async () => ({}), over);
    const session = connectHttp2(url);
    expect(await Promise.race(beginCalls(session, open, 9))).toBe(String(status.RESOURCE_EXHAUSTED));
    expect((await ask()).code).toBe(status.OK);
    session.destroy();
    close();
  });

  test("a request over HTTP/1.1 that is never finished is cut off", async () => {
    jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] });
    const { url, close } = await serving(hanging);
    const { port, hostname } = new URL(url);
    const socket = connectTcp(Number(port), hostname);
    const closed = new Promise((resolve) => socket.on("error", () => undefined).once("close", resolve));
    socket.write("GET / HT");
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    jest.advanceTimersByTime(60_000);
    await closed;
    jest.useRealTimers();
    close();
  });

  test("answers HTTP/1.1 on the same port", async () => {
    const { url, close } = await serving(hanging);
    const text = await new Promise((resolve) =>
      httpRequest(url, (response) => response.on("data", (data) => resolve(String(data)))).end(),
    );
    expect(text).toBe("over HTTP/1.1");
    close();
  });

  test("drains: what is under way ends, nothing new begins", async () => {
    const release: (() => void)[] = [];
    const { server, ask, close } = await serving(
      () => new Promise((resolve) => release.push(() => resolve({ attestation_challenge: "done" }))),
    );
    const first = ask();
    while (release.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const drained = server.drain(10_000);
    release[0]?.();
    expect((await first).message["attestation_challenge"]).toBe("done");
    expect((await ask()).code).toBe(status.UNAVAILABLE);
    close();
    expect(await drained).toBe(true);
  });
});
