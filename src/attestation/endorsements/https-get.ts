import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

export interface HttpAnswer {
  readonly status: number;
  /** Seconds of a Retry-After header; dates in it are not read. */
  readonly retryAfterSeconds: number | undefined;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpLimits {
  readonly maxBytes: number;
  /** From connecting to the last byte. */
  readonly timeoutMilliseconds: number;
}

/** What requests to one service have of their own. */
export interface HttpExtras {
  /** Say an API key: never part of an error or a log. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Roots for the server's certificate, from `agentFor`; absent: the system's. */
  readonly agent?: HttpsAgent;
}

/** Gets one URL, and nothing else: no redirect is followed, no environment proxy is used. */
export type HttpGet = (url: URL, limits: HttpLimits, extras?: HttpExtras) => Promise<HttpAnswer>;

/** The answer did not arrive whole, in time and within its bounds. */
export class TransferError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TransferError";
  }
}

/**
 * Certificates of servers are always verified. The option is written out because the platform has an
 * environment variable that would switch verification off for everybody who leaves it open.
 */
const VERIFIED = new HttpsAgent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: true });

/** Connections that believe these PEM roots and no others. */
export function agentFor(rootsPem: string): HttpsAgent {
  return new HttpsAgent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: true, ca: rootsPem });
}

/** @throws TransferError on any failure to get an answer; a status such as 404 is an answer */
export const httpsGet: HttpGet = (url, { maxBytes, timeoutMilliseconds }, { headers, agent } = {}) =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    const options = { signal, headers: { accept: "*/*", "user-agent": "keywarden", ...headers } };
    const request =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, agent: agent ?? VERIFIED, rejectUnauthorized: true })
        : httpRequest(url, options);
    const fail = (cause: unknown) => {
      request.destroy();
      reject(signal.aborted ? new TransferError("no complete answer in time", cause) : transferError(cause));
    };
    request.on("error", fail);
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("error", fail);
      response.on("aborted", () => fail(new TransferError("the answer was cut off")));
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > maxBytes) fail(new TransferError(`an answer of more than ${maxBytes} bytes`));
        else parts.push(part);
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfterSeconds: retryAfter(response.headers["retry-after"]),
          headers: response.headers,
          body: Buffer.concat(parts),
        }),
      );
    });
    request.end();
  });

function transferError(cause: unknown): TransferError {
  return cause instanceof TransferError ? cause : new TransferError("no answer", cause);
}

function retryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}
