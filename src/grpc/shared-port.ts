import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from "node:net";
import { createServer as createTls, TLSSocket, type TlsOptions } from "node:tls";

export interface SharedPortOptions {
  /** `undefined`: plain. */
  readonly tls: TlsOptions | undefined;
  readonly maxConnections: number;
  /** Takes connections that speak HTTP/2. */
  readonly http2: (connection: Socket) => void;
  /** Answers requests over HTTP/1.1. */
  readonly http1: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onRefused: () => void;
}

/** How HTTP/2 begins (RFC 9113 §3.4); no request of HTTP/1.1 can begin like it. */
const PREFACE = "PRI ";
/** Time for a connection to say what it speaks, TLS handshake included. */
const HELLO_MS = 10_000;
const HTTP1_TIMEOUT_MS = 10_000;

/**
 * One port for HTTP/2 and HTTP/1.1, as the reference service has it: brokers speak gRPC there, and relying parties
 * fetch its key set with a plain GET. The protocol is agreed on within TLS, or seen in the first bytes.
 */
export class SharedPort {
  readonly #options: SharedPortOptions;
  readonly #server: Server;
  readonly #http1: ReturnType<typeof createHttp1>;
  readonly #open = new Set<Socket>();

  constructor(options: SharedPortOptions) {
    this.#options = options;
    this.#http1 = createHttp1(options.http1);
    this.#http1.maxRequestsPerSocket = 1;
    this.#server =
      options.tls === undefined
        ? createPlain((socket) => this.#greet(socket))
        : createTls({ ...options.tls, ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: HELLO_MS });
    this.#server.on("secureConnection", (socket: Socket) => this.#greet(socket));
    this.#server.on("connection", (socket: Socket) => this.#track(socket));
    this.#server.on("drop", options.onRefused);
    this.#server.maxConnections = options.maxConnections;
  }

  /** @returns the server, to listen with and to replace its certificate */
  get server(): Server {
    return this.#server;
  }

  /** Takes no further connection. Those that are open are left to end. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#http1.closeIdleConnections();
    });
  }

  /** Cuts off what is still open. */
  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }

  address(): AddressInfo | string | null {
    return this.#server.address();
  }

  /** Counts and watches the raw connection: below TLS, so that a handshake that never ends is seen as well. */
  #track(socket: Socket): void {
    this.#open.add(socket);
    socket.on("close", () => this.#open.delete(socket));
    // A peer that breaks the connection off is no event worth more than its end.
    socket.on("error", () => socket.destroy());
  }

  #greet(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const late = setTimeout(() => socket.destroy(), HELLO_MS);
    socket.once("close", () => clearTimeout(late));
    socket.once("readable", () => {
      clearTimeout(late);
      this.#hand(socket);
    });
  }

  /** Puts back what it read; whoever takes the connection reads it from the beginning. */
  #hand(socket: Socket): void {
    const first: Buffer | null = socket.read();
    if (first === null) {
      socket.destroy();
      return;
    }
    socket.unshift(first);
    const { length } = PREFACE;
    const isHttp2 = first.subarray(0, length).toString("latin1") === PREFACE.slice(0, first.length);
    // Simple TLS proxies beside a broker agree on no protocol; what the connection begins with says it as well.
    if (isHttp2 && socket instanceof TLSSocket && socket.alpnProtocol === false) socket.alpnProtocol = "h2";
    if (isHttp2) this.#options.http2(socket);
    else this.#answerOnce(socket);
  }

  /** Node holds a server to its own limits of time only once it listens, which this one never does. */
  #answerOnce(socket: Socket): void {
    const end = setTimeout(() => socket.destroy(), HTTP1_TIMEOUT_MS);
    socket.once("close", () => clearTimeout(end));
    this.#http1.emit("connection", socket);
  }
}
