import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server as NetServer } from "node:net";
import type { TlsOptions } from "node:tls";
import {
  type ConnectionInjector,
  type Metadata,
  ResponderBuilder,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  ServerListenerBuilder,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { ServiceDefinition } from "@grpc/proto-loader";
import { KbsError } from "../errors.ts";
import type { Message } from "./services.ts";
import { SharedPort } from "./shared-port.ts";
import { statusOf } from "./status.ts";
import { tooManyCalls } from "./unavailable.ts";

/** Who calls, as far as the connection and the call's metadata tell. */
export interface CallOrigin {
  readonly requestId: string;
  /** Address of the peer. */
  readonly client: string;
  readonly authorization: string | undefined;
  /** DER of the peer's certificate, which chains to the configured roots. */
  readonly certificate: Buffer | undefined;
}

export interface CallContext<Caller> extends CallOrigin {
  readonly caller: Caller;
  /** Aborts at the deadline and when the client gives up. */
  readonly signal: AbortSignal;
}

/** @returns the answer's fields @throws anything; what is no KbsError is answered as `internal` */
export type Handler<Caller> = (message: Message, context: CallContext<Caller>) => Promise<object>;

export interface ServedService<Caller> {
  readonly definition: ServiceDefinition;
  /** By the method's name; a method without one is answered as not implemented. */
  readonly handlers: Readonly<Record<string, Handler<Caller>>>;
}

export interface GrpcServerOptions<Caller> {
  readonly services: readonly ServedService<Caller>[];
  /**
   * Asked before the message is read, so that strangers cannot make the server hold their messages.
   * @param path - `/attestation.AttestationService/AttestationEvaluate`
   * @throws KbsError
   */
  readonly authorize: (path: string, origin: CallOrigin, signal: AbortSignal) => Promise<Caller>;
  /** Whether everybody may make the call: strangers share a part of the places, so that they cannot take them all. */
  readonly isPublic: (path: string) => boolean;
  readonly tls: TlsOptions | undefined;
  /** Plain requests on the same port. */
  readonly http1: (request: IncomingMessage, response: ServerResponse) => void;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** Over all connections. */
  readonly maxConcurrentCalls: number;
  readonly deadlineMilliseconds: number;
  readonly requestId: () => string;
  readonly onRefusedConnection: () => void;
  /** Hears of every call that ended: `ok`, or the code of the refusal. */
  readonly onEnd: (path: string, outcome: string, origin: CallOrigin, error: KbsError | undefined) => void;
  /** Any error as a refusal. */
  readonly toKbsError: (error: unknown) => KbsError;
}

interface Admitted<Caller> {
  readonly origin: CallOrigin;
  readonly caller: Caller;
}

const MAX_STREAMS_PER_CONNECTION = 100;
/** One of so many places is for calls that need no credentials. */
const PUBLIC_SHARE = 4;
/** Time for the message of such a call, which is a name at most. */
const PUBLIC_MESSAGE_MS = 5_000;
const MAX_METADATA_BYTES = 64 << 10;
const IDLE_MS = 300_000;
const KEEPALIVE_MS = 60_000;

/** A gRPC server whose every call is authorised before its message is read, bounded in number, size and time. */
export class GrpcServer<Caller> {
  readonly #options: GrpcServerOptions<Caller>;
  readonly #grpc: Server;
  readonly #injector: ConnectionInjector;
  readonly #port: SharedPort;
  /** Callers by the metadata of their call, which is one object from admission to handler. */
  readonly #admitted = new WeakMap<Metadata, Admitted<Caller>>();
  readonly #running = { public: 0, known: 0 };

  constructor(options: GrpcServerOptions<Caller>) {
    this.#options = options;
    this.#grpc = new Server({
      interceptors: [({ path }, call) => this.#gate(path, call)],
      "grpc.max_receive_message_length": options.maxMessageBytes,
      "grpc.max_send_message_length": -1,
      "grpc.max_concurrent_streams": MAX_STREAMS_PER_CONNECTION,
      "grpc.max_metadata_size": MAX_METADATA_BYTES,
      "grpc.max_connection_idle_ms": IDLE_MS,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.enable_channelz": 0,
    });
    for (const service of options.services) this.#add(service);
    // TLS ends in front of it, so the library itself sees a plain connection.
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#port = new SharedPort({
      tls: options.tls,
      maxConnections: options.maxConnections,
      http2: (socket) => this.#injector.injectConnection(socket),
      http1: options.http1,
      onRefused: options.onRefusedConnection,
    });
  }

  /** To listen with. */
  get server(): NetServer {
    return this.#port.server;
  }

  /** Lets calls in progress end. @returns whether they did within the time */
  async drain(deadlineMilliseconds: number): Promise<boolean> {
    const stopped = this.#port.stop();
    this.#injector.drain(deadlineMilliseconds);
    let finished = true;
    const cutOff = setTimeout(() => {
      finished = false;
      this.#port.destroy();
    }, deadlineMilliseconds);
    await stopped;
    clearTimeout(cutOff);
    this.#grpc.forceShutdown();
    return finished;
  }

  #add({ definition, handlers }: ServedService<Caller>): void {
    const implementation: Record<string, (call: Call, answer: sendUnaryData<object>) => void> = {};
    for (const [name, handler] of Object.entries(handlers)) {
      const path = definition[name]?.path;
      if (path === undefined) throw new TypeError(`the service has no method ${name}`);
      implementation[name] = (call, answer) => void this.#handle(path, handler, call, answer);
    }
    this.#grpc.addService(definition, implementation);
  }

  /** Runs before the library reads the message of a call, for which there is as much time as for the answer. */
  #gate(path: string, call: ServerInterceptingCallInterface): ServerInterceptingCall {
    const kind = this.#options.isPublic(path) ? "public" : "known";
    let inside = false;
    let late: NodeJS.Timeout | undefined;
    const leave = (): void => {
      clearTimeout(late);
      if (inside) this.#running[kind]--;
      inside = false;
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const origin = this.#origin(metadata, call);
        if (!this.#hasRoom(kind)) return this.#refuse(path, call, origin, tooManyCalls());
        this.#running[kind]++;
        inside = true;
        const refuse = (error: unknown): void => {
          if (inside) this.#refuse(path, call, origin, error);
        };
        late = setTimeout(() => refuse(overdue()), this.#messageDeadline(kind));
        this.#admit(path, metadata, origin).then(() => {
          if (inside) next(metadata);
        }, refuse);
      })
      .withOnReceiveHalfClose((next) => {
        clearTimeout(late);
        next();
      })
      .withOnCancel(leave)
      .build();
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        leave();
        next(status);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  }

  #messageDeadline(kind: "public" | "known"): number {
    const { deadlineMilliseconds } = this.#options;
    return kind === "known" ? deadlineMilliseconds : Math.min(PUBLIC_MESSAGE_MS, deadlineMilliseconds);
  }

  #hasRoom(kind: "public" | "known"): boolean {
    const { maxConcurrentCalls } = this.#options;
    const most = kind === "known" ? maxConcurrentCalls : Math.ceil(maxConcurrentCalls / PUBLIC_SHARE);
    return this.#running[kind] < most;
  }

  async #admit(path: string, metadata: Metadata, origin: CallOrigin): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.deadlineMilliseconds);
    const caller = await this.#options.authorize(path, origin, signal);
    this.#admitted.set(metadata, { origin, caller });
  }

  #origin(metadata: Metadata, call: ServerInterceptingCallInterface): CallOrigin {
    const [authorization, ...more] = metadata.get("authorization");
    return {
      requestId: this.#options.requestId(),
      client: call.getConnectionInfo().remoteAddress ?? "",
      // Two of them are a question of which one is meant; none of them is.
      authorization: more.length === 0 && typeof authorization === "string" ? authorization : undefined,
      certificate: call.getAuthContext().sslPeerCertificate?.raw,
    };
  }

  #refuse(path: string, call: ServerInterceptingCallInterface, origin: CallOrigin, thrown: unknown): void {
    const error = this.#options.toKbsError(thrown);
    this.#options.onEnd(path, error.code, origin, error);
    call.sendStatus(statusOf(error));
  }

  async #handle(
    path: string,
    handler: Handler<Caller>,
    call: Call,
    answer: sendUnaryData<object>,
  ): Promise<void> {
    const admitted = this.#admitted.get(call.metadata);
    const { onEnd, toKbsError, deadlineMilliseconds } = this.#options;
    // Nobody comes here without having been admitted; if the library ever changed that, nobody is served.
    if (admitted === undefined)
      return answer(statusOf(new KbsError("internal", "The call was not admitted.")));
    const { origin, caller } = admitted;
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort(new Error("the client left")));
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(deadlineMilliseconds)]);
    try {
      // The library decoded it by the description of the service: a plain object.
      const message = call.request as Message;
      const reply = await beforeDeadline(handler(message, { ...origin, caller, signal }), signal);
      onEnd(path, "ok", origin, undefined);
      answer(null, reply);
    } catch (thrown) {
      const error = toKbsError(thrown);
      onEnd(path, error.code, origin, error);
      answer(statusOf(error));
    }
  }
}

type Call = ServerUnaryCall<object, object>;

/** The answer, or a refusal at the deadline even if the work goes on. */
function beforeDeadline<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(overdue());
    signal.addEventListener("abort", late, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", late));
  });
}

function overdue(): KbsError {
  return new KbsError("overloaded", "The call was not finished within the deadline.", {
    retryAfterSeconds: 5,
  });
}
