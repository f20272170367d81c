import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { PeerTls } from "../../grpc/client.ts";
import { ServiceUnavailable } from "../../grpc/unavailable.ts";

export interface HttpPeerOptions {
  /** What messages call the peer. */
  readonly service: string;
  readonly address: URL;
  readonly tls: PeerTls;
  /** Sent as `authorization: Bearer`. */
  readonly bearer?: string;
  readonly maxMessageBytes: number;
  /** From connecting to the last byte. */
  readonly timeoutMilliseconds: number;
}

export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const MAX_SOCKETS = 64;
/** Faults of a connection before anything of the request can have been read. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
]);

/** One HTTP service at one origin: no redirect is followed, no proxy of the environment is used. */
export class HttpPeer {
  readonly #options: HttpPeerOptions;
  readonly #agent: HttpAgent;

  constructor(options: HttpPeerOptions) {
    this.#options = options;
    const keep = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.#agent = options.address.protocol === "https:" ? tlsAgent(options.tls, keep) : new HttpAgent(keep);
  }

  /**
   * @param path - below the address
   * @param body - JSON text; `undefined` asks with GET
   * @throws ServiceUnavailable when there is no complete answer within the bounds; every status is an answer
   */
  async ask(path: string, body: string | undefined, signal: AbortSignal): Promise<HttpReply> {
    const { timeoutMilliseconds, service, maxMessageBytes } = this.#options;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMilliseconds)]);
    try {
      return await exchange(this.#request(path, body, deadline), body, maxMessageBytes);
    } catch (cause) {
      const late = deadline.aborted;
      const unreachable = !late && UNREACHABLE.has(codeOf(cause));
      throw new ServiceUnavailable(service, late ? "it did not answer in time" : reasonOf(cause), {
        cause,
        unreachable,
      });
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #request(path: string, body: string | undefined, signal: AbortSignal): ClientRequest {
    const { address, bearer } = this.#options;
    const url = new URL(address.pathname.replace(/\/+$/, "") + path, address);
    const headers: Record<string, string> = { accept: "*/*", "user-agent": "keywarden" };
    if (bearer !== undefined) headers["authorization"] = `Bearer ${bearer}`;
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      headers["content-length"] = String(Buffer.byteLength(body));
    }
    const options = { method: body === undefined ? "GET" : "POST", headers, signal, agent: this.#agent };
    // Written out, because the environment can switch verification off for whoever leaves it open.
    return url.protocol === "https:"
      ? httpsRequest(url, { ...options, rejectUnauthorized: true })
      : httpRequest(url, options);
  }
}

function tlsAgent({ certificateAuthorities, client }: PeerTls, keep: object): HttpsAgent {
  return new HttpsAgent({
    ...keep,
    rejectUnauthorized: true,
    ...(certificateAuthorities === undefined ? {} : { ca: certificateAuthorities }),
    ...(client === undefined ? {} : { cert: client.certificate, key: client.key }),
  });
}

/** Private: the answer is longer than it may be. */
class TooLong extends Error {}

function exchange(request: ClientRequest, body: string | undefined, maxBytes: number): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      collect(response, maxBytes).then(resolve, (error: unknown) => {
        request.destroy();
        reject(error);
      });
    });
    request.end(body);
  });
}

function collect(response: IncomingMessage, maxBytes: number): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    response.on("error", reject);
    response.on("aborted", () => reject(new Error("the answer was cut off")));
    response.on("data", (part: Buffer) => {
      length += part.length;
      if (length > maxBytes) reject(new TooLong("the answer is too long"));
      else parts.push(part);
    });
    response.on("end", () => {
      const text = Buffer.concat(parts).toString("utf8");
      const contentType = (response.headers["content-type"] ?? "").split(";")[0] ?? "";
      resolve({ status: response.statusCode ?? 0, contentType: contentType.trim().toLowerCase(), text });
    });
  });
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return String(error.code);
}

function reasonOf(cause: unknown): string {
  if (cause instanceof TooLong) return "its answer is too long";
  return UNREACHABLE.has(codeOf(cause)) ? "it cannot be reached" : "there is no complete answer from it";
}
