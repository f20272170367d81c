import { createServer as createHttp, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { Server as GrpcServer, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import { GrpcTransport } from "../../src/attestation/adapters/grpc-transport.ts";
import type { RemoteTransport } from "../../src/attestation/adapters/remote.ts";
import { RestTransport } from "../../src/attestation/adapters/rest-transport.ts";
import { loadServices } from "../../src/grpc/services.ts";

/** What transports of tests are opened with: small and quick. */
export interface TransportOptions {
  readonly maxMessageBytes?: number;
  readonly timeoutMilliseconds?: number;
  readonly certificateAuthorities?: string;
  readonly bearer?: string;
}

export async function openTransport(
  kind: "grpc" | "rest",
  address: string,
  options: TransportOptions = {},
): Promise<RemoteTransport> {
  const { certificateAuthorities, bearer } = options;
  const all = {
    address: new URL(address),
    tls: certificateAuthorities === undefined ? {} : { certificateAuthorities },
    ...(bearer === undefined ? {} : { bearer }),
    maxMessageBytes: options.maxMessageBytes ?? 64 << 10,
    timeoutMilliseconds: options.timeoutMilliseconds ?? 10_000,
  };
  return kind === "grpc" ? GrpcTransport.open(all) : new RestTransport(all);
}

export interface FakePeer {
  readonly address: string;
  close(): Promise<void>;
}

/** A server on bare TCP: what it does with a connection is up to the test. */
export function tcpPeer(onConnection: (socket: Socket) => void): Promise<FakePeer> {
  const open = new Set<Socket>();
  const server = createTcp((socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  return listening(server, () => {
    for (const socket of open) socket.destroy();
  });
}

export function httpPeer(serve: RequestListener): Promise<FakePeer> {
  const server = createHttp(serve);
  return listening(server, () => server.closeAllConnections());
}

function listening(server: Server, cut: () => void): Promise<FakePeer> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      // A TCP server that listens has an address of this form.
      const { port } = server.address() as AddressInfo;
      resolve({
        address: `http://127.0.0.1:${port}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            cut();
          }),
      });
    });
  });
}

/** A gRPC server that answers every evaluation as the test says. */
export async function grpcPeer(
  evaluate: (message: unknown, answer: sendUnaryData<object>) => void,
): Promise<FakePeer> {
  const { attestation } = await loadServices();
  const server = new GrpcServer();
  server.addService(attestation, {
    AttestationEvaluate: (call: { request: unknown }, answer: sendUnaryData<object>) =>
      evaluate(call.request, answer),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, chosen) =>
      error === null ? resolve(chosen) : reject(error),
    ),
  );
  return {
    address: `http://127.0.0.1:${port}`,
    close: async () => server.forceShutdown(),
  };
}

/** An address at which nobody listens. */
export async function nobody(): Promise<string> {
  const peer = await tcpPeer(() => undefined);
  await peer.close();
  return peer.address;
}
