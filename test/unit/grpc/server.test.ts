import { request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
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
