import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { KbsError, ProblemCode } from "../errors.ts";
import type { Message, Method } from "./services.ts";
import { errorOf } from "./status.ts";
import { ServiceUnavailable } from "./unavailable.ts";

/** Certificates for a connection, PEM. The peer's is always verified. */
export interface PeerTls {
  /** Roots in place of the system's. */
  readonly certificateAuthorities?: string;
  /** Own certificate, where the service asks for one. */
  readonly client?: { readonly certificate: string; readonly key: string };
}

export interface GrpcChannelOptions {
  /** What messages call the peer: `attestation service`. */
  readonly service: string;
  /** http: plain; https: with TLS. */
  readonly address: URL;
  readonly tls: PeerTls;
  /** Sent as `authorization: Bearer`. */
  readonly bearer?: string;
  readonly maxMessageBytes: number;
  /** From the call to the complete answer. */
  readonly timeoutMilliseconds: number;
}

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 2_000;

/** One peer. A connection is made when it is needed, and made again when it breaks; nothing is retried here. */
export class GrpcChannel {
  readonly #options: GrpcChannelOptions;
  readonly #client: Client;

  /** @throws Error when the certificates are no PEM */
  constructor(options: GrpcChannelOptions) {
    this.#options = options;
    const { address, maxMessageBytes } = options;
    const port = address.port === "" ? (address.protocol === "https:" ? "443" : "80") : address.port;
    this.#client = new Client(`${address.hostname}:${port}`, channelCredentials(options), {
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_send_message_length": -1,
      // One policy of retries, and it is not the library's.
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
      // The environment of the process has no say in where evidence goes.
      "grpc.enable_http_proxy": 0,
      "grpc.enable_channelz": 0,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": RECONNECT_MS,
      "grpc.min_reconnect_backoff_ms": RECONNECT_MS,
      "grpc.max_reconnect_backoff_ms": MAX_RECONNECT_MS,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    });
  }

  /**
   * Calls one method.
   *
   * @param verdict - the code for a refusal of the service that says no more than that it is one
   * @param signal - ends the call early
   * @throws KbsError `attestation-service-unavailable`, `verdict`, or a code that the service named
   */
  call(method: Method, argument: object, verdict: ProblemCode, signal: AbortSignal): Promise<Message> {
    const { service, timeoutMilliseconds } = this.#options;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMilliseconds)]);
    if (deadline.aborted) return Promise.reject(new ServiceUnavailable(service, "it did not answer in time"));
    return new Promise((resolve, reject) => {
      const done = (failure: ServiceError | null, answer?: object): void => {
        deadline.removeEventListener("abort", cancel);
        if (failure !== null) reject(this.#refused(failure, verdict));
        // The library decoded it by the description of the service: a plain object.
        else resolve((answer ?? {}) as Message);
      };
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        argument,
        this.#metadata(),
        done,
      );
      const cancel = (): void => call.cancel();
      deadline.addEventListener("abort", cancel, { once: true });
    });
  }

  close(): void {
    this.#client.close();
  }

  #refused(failure: ServiceError, verdict: ProblemCode): KbsError {
    return errorOf(failure, this.#options.service, verdict);
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const { bearer } = this.#options;
    if (bearer !== undefined) metadata.set("authorization", `Bearer ${bearer}`);
    return metadata;
  }
}

function channelCredentials({ address, tls }: GrpcChannelOptions): ChannelCredentials {
  if (address.protocol !== "https:") return credentials.createInsecure();
  const { certificateAuthorities, client } = tls;
  // Written out, because the environment can switch verification off for whoever leaves it open.
  return credentials.createSsl(pem(certificateAuthorities), pem(client?.key), pem(client?.certificate), {
    rejectUnauthorized: true,
  });
}

function pem(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text, "utf8");
}
