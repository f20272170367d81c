import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { codeOf } from "./files.ts";

/** Why no answer came. `identity`: the peer is not who the caller pinned; nothing was sent to it. */
export type TransportFault = "identity" | "unreachable" | "deadline" | "too-large" | "redirect";

/** The message is one sentence for a person. */
export class TransportError extends Error {
  readonly fault: TransportFault;

  constructor(fault: TransportFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TransportError";
    this.fault = fault;
  }
}

export interface HttpClientOptions {
  /** PEM roots. Given, they alone are trusted: a broker under any other root is refused. */
  readonly ca?: string;
  /** For one whole exchange, from connecting to the last byte. */
  readonly deadlineMs: number;
  readonly maxResponseBytes: number;
  readonly userAgent: string;
}

export interface HttpExchange {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpClient {
  /** @throws TransportError */
  send(exchange: HttpExchange): Promise<HttpAnswer>;
  /** Ends idle connections, so that the process can end. */
  close(): void;
}

/**
 * A client for the broker and nothing else: no redirect is followed (a secret or a credential must not go
 * where an answer points), no proxy is asked, and TLS is always verified, whatever the environment says.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const http = new HttpAgent({ keepAlive: true });
  const https = new HttpsAgent({
    keepAlive: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    checkServerIdentity: requireSubjectAltName,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  return {
    send: (exchange) => send(exchange, options, exchange.url.protocol === "https:" ? https : http),
    close: () => {
      http.destroy();
      https.destroy();
    },
  };
}

/** Node still takes a name from the subject when there is no subjectAltName; the guests' TLS library does not. */
function requireSubjectAltName(host: string, certificate: PeerCertificate): Error | undefined {
  if (certificate.subjectaltname === undefined)
    return new Error("the certificate has no subjectAltName (RFC 6125)");
  return checkServerIdentity(host, certificate);
}

function send(exchange: HttpExchange, options: HttpClientOptions, agent: HttpAgent): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(options.deadlineMs);
  const start = exchange.url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown) => reject(transportError(error, signal, exchange.url, options));
    const request: ClientRequest = start(exchange.url, {
      agent,
      signal,
      method: exchange.method,
      headers: headersOf(exchange, options),
    });
    request.on("error", refuse);
    request.on("response", (response) => {
      collect(response, options.maxResponseBytes).then((body) => {
        if (isRedirect(response)) refuse(redirected(exchange.url));
        else resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      }, refuse);
    });
    request.end(exchange.body);
  });
}

function headersOf(exchange: HttpExchange, options: HttpClientOptions): Record<string, string> {
  return {
    accept: "*/*",
    "user-agent": options.userAgent,
    // Node sends a chunked body unless told the length; some proxies refuse those on a DELETE.
    ...(exchange.body === undefined ? {} : { "content-length": String(Buffer.byteLength(exchange.body)) }),
    ...exchange.headers,
  };
}

async function collect(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    const bytes = Buffer.from(part);
    size += bytes.length;
    if (size > maxBytes)
      throw new TransportError("too-large", `The answer is larger than ${maxBytes} bytes.`);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

function isRedirect(response: IncomingMessage): boolean {
  const status = response.statusCode ?? 0;
  return status >= 300 && status < 400;
}

function redirected(url: URL): TransportError {
  return new TransportError(
    "redirect",
    `${url.origin} answered with a redirect, which is not followed; give its final address with --url.`,
  );
}

function transportError(
  error: unknown,
  signal: AbortSignal,
  url: URL,
  options: HttpClientOptions,
): TransportError {
  if (error instanceof TransportError) return error;
  if (signal.aborted)
    return new TransportError(
      "deadline",
      `${url.origin} did not answer within ${options.deadlineMs / 1000} seconds.`,
      error,
    );
  const code = codeOf(error);
  const reason = error instanceof Error && error.message !== "" ? error.message : code;
  if (isIdentityFault(code, reason))
    return new TransportError(
      "identity",
      `${url.origin} is not the broker that was pinned: ${reason} (${code}). Nothing was sent to it.`,
      error,
    );
  return new TransportError("unreachable", `${url.origin} cannot be reached: ${reason}.`, error);
}

/** Codes of certificate verification: OpenSSL's X509_V_ERR names, Node's own, and a name that does not match. */
function isIdentityFault(code: string, reason: string): boolean {
  if (code.startsWith("ERR_TLS_CERT") || reason.includes("subjectAltName")) return true;
  return /UNABLE_TO_|CERT|CRL|SELF_SIGNED|ISSUER|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH/.test(
    code,
  );
}
