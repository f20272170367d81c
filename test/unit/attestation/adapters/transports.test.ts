import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { RemoteTransport } from "../../../../src/attestation/adapters/remote.ts";
import { requestsOf } from "../../../../src/attestation/requests.ts";
import { KbsError } from "../../../../src/errors.ts";
import { ServiceUnavailable } from "../../../../src/grpc/unavailable.ts";
import { aloneService, handshake } from "../../../support/attestation-service.ts";
import {
  type FakePeer,
  grpcPeer,
  httpPeer,
  nobody,
  openTransport,
  type TransportOptions,
  tcpPeer,
} from "../../../support/remote-transport.ts";
import { testAuthority } from "../../../support/tls-certificates.ts";

const peers: FakePeer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close();
});

function until<T extends FakePeer>(peer: T): T {
  peers.push(peer);
  return peer;
}

async function evaluated(transport: RemoteTransport, signal = AbortSignal.timeout(20_000)): Promise<unknown> {
  try {
    return await transport.evaluate(requestsOf(await handshake()), ["default"], signal);
  } catch (error) {
    return error;
  } finally {
    transport.close();
  }
}

async function outcome(kind: "grpc" | "rest", address: string, options?: TransportOptions) {
  return evaluated(await openTransport(kind, address, options));
}

/** Code, and whether asking again makes sense. */
function faultOf(error: unknown): unknown {
  if (error instanceof ServiceUnavailable) return { code: error.code, unreachable: error.unreachable };
  return error instanceof KbsError ? error.code : error;
}

const UNREACHABLE = { code: "attestation-service-unavailable", unreachable: true };
const UNUSABLE = { code: "attestation-service-unavailable", unreachable: false };

describe.each(["grpc", "rest"] as const)("a service over %s that does not do what it should", (kind) => {
  test("E4 down: unavailable, and worth another attempt", async () => {
    expect(faultOf(await outcome(kind, await nobody()))).toEqual(UNREACHABLE);
  });

  test("E4 hanging: unavailable at the deadline, and not worth another attempt", async () => {
    const peer = until(await tcpPeer(() => undefined));
    expect(faultOf(await outcome(kind, peer.address, { timeoutMilliseconds: 300 }))).toMatchObject({
      code: "attestation-service-unavailable",
    });
  });

  test("E5 dripping: a byte now and then is no answer", async () => {
    const timers: NodeJS.Timeout[] = [];
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    const peer = until(
      await tcpPeer((socket) => {
        // For gRPC the first nine bytes of a SETTINGS frame, whose rest then comes one byte at a time.
        socket.write(kind === "rest" ? head : Buffer.from("00000c040000000000", "hex"));
        timers.push(setInterval(() => socket.write("x"), 40));
      }),
    );
    const seen = faultOf(await outcome(kind, peer.address, { timeoutMilliseconds: 500 }));
    for (const timer of timers) clearInterval(timer);
    expect(seen).toMatchObject({ code: "attestation-service-unavailable" });
  });

  test("garbage instead of the protocol", async () => {
    const peer = until(await tcpPeer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n")));
    expect(faultOf(await outcome(kind, peer.address, { timeoutMilliseconds: 2_000 }))).toMatchObject({
      code: "attestation-service-unavailable",
    });
  });

  test("E5 an answer beyond the bound is not read to its end", async () => {
    const token = "x".repeat(1 << 20);
    const peer = until(
      kind === "grpc"
        ? await grpcPeer((_message, answer) => answer(null, { attestation_token: token }))
        : await httpPeer((_request, response) => response.end(token)),
    );
    expect(faultOf(await outcome(kind, peer.address))).toEqual(UNUSABLE);
  });

  test("E7 a certificate by a stranger is not believed", async () => {
    const [theirs, ours] = [await testAuthority(), await testAuthority()];
    const { key, cert } = await theirs.issue("as");
    const service = until({
      ...(await aloneService({
        listen: "tls: { certificate: tls.pem, privateKey: { file: tls.key } }",
        files: { "tls.pem": cert, "tls.key": key },
      })),
      address: "",
    });
    const address = kind === "grpc" ? service.grpc : service.rest;
    expect(address).toMatch(/^https:/);
    const trusting = (certificateAuthorities: string) =>
      outcome(kind, address, { certificateAuthorities, timeoutMilliseconds: 5_000 });
    expect(faultOf(await trusting(ours.pem))).toMatchObject({ code: "attestation-service-unavailable" });
    // The same service under its own root asks for credentials: the connection itself is good.
    expect(await trusting(theirs.pem)).toMatchObject({
      code: "attestation-service-unavailable",
      detail: expect.stringContaining("credentials"),
    });
  });

  test("wrong credentials are our own fault, never the guest's", async () => {
    const service = until({ ...(await aloneService()), address: "" });
    const address = kind === "grpc" ? service.grpc : service.rest;
    const bearer = "a-token-that-nobody-gave-out-for-anything";
    expect(await outcome(kind, address, { bearer })).toMatchObject({
      code: "attestation-service-unavailable",
      detail: expect.stringContaining("does not accept the credentials"),
    });
  });

  test("a caller that gives up is let go", async () => {
    const peer = until(await tcpPeer(() => undefined));
    const transport = await openTransport(kind, peer.address);
    expect(faultOf(await evaluated(transport, AbortSignal.timeout(100)))).toMatchObject({
      code: "attestation-service-unavailable",
    });
  });
});

describe("what the reference service says", () => {
  test.each([
    [status.ABORTED, "evidence-rejected"],
    [status.INVALID_ARGUMENT, "evidence-rejected"],
    [status.UNAVAILABLE, UNREACHABLE],
    [status.INTERNAL, UNUSABLE],
    [status.UNIMPLEMENTED, UNUSABLE],
    [status.PERMISSION_DENIED, UNUSABLE],
  ])("gRPC status %s", async (code, expected) => {
    const secret = "stack of the verifier";
    const peer = until(await grpcPeer((_message, answer) => answer({ code, details: secret })));
    const error = await outcome("grpc", peer.address);
    expect(faultOf(error)).toEqual(expected);
    // What it says goes to the log, not to guests.
    expect(error instanceof KbsError ? error.detail : secret).not.toContain(secret);
  });

  test.each([
    [500, "An internal error occured: \n0: verifier", "evidence-rejected"],
    [500, "Internal Server Error", UNUSABLE],
    [400, "Json deserialize error", "evidence-rejected"],
    [502, "<html>bad gateway</html>", UNUSABLE],
    [302, "", UNUSABLE],
    [204, "", UNUSABLE],
  ])("REST status %i with %j", async (code, body, expected) => {
    const peer = until(await httpPeer((_request, response) => response.writeHead(code).end(body)));
    expect(faultOf(await outcome("rest", peer.address))).toEqual(expected);
  });

  test("AS-089 requests carry the names and encodings of the wire", async () => {
    let seen: unknown;
    const peer = until(
      await grpcPeer((message, answer) => {
        seen = message;
        answer(null, { attestation_token: "token" });
      }),
    );
    const request = await handshake({ initData: 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n' });
    const transport = await openTransport("grpc", peer.address);
    const token = await transport.evaluate(requestsOf(request), ["a", "b"], AbortSignal.timeout(5_000));
    transport.close();
    expect(token).toBe("token");
    expect(seen).toMatchObject({
      policy_ids: ["a", "b"],
      verification_requests: [
        {
          tee: "sample",
          runtime_data: "structured_runtime_data",
          init_data: "init_data_toml",
          init_data_toml: request.attestation.initData?.body,
          runtime_data_hash_algorithm: "sha384",
          evidence: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
        },
      ],
    });
  });
});
