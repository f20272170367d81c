/**
 * How requests reach Vault. Handed to node-vault in the place of its own: redirects would carry the token to wherever an
 * answer points, an environment variable would switch off verification, and its errors carry the request.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { VaultFault } from "./fault.ts";

export interface VaultTls {
  /** PEM; in place of the system's authorities. */
  readonly certificateAuthorities?: string | undefined;
  /** PEM of this server's own certificate and key, for Vaults that ask for one. */
  readonly certificate?: string | undefined;
  readonly privateKey?: string | undefined;
}

export interface TransportOptions {
  readonly tls: VaultTls;
  /** From connecting to the last byte. */
  readonly timeoutMilliseconds: number;
  readonly maxConnections: number;
}

/** What node-vault hands over, as far as it is used. */
interface Outgoing {
  readonly method: string;
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly signal?: AbortSignal;
}

interface Incoming {
  readonly statusCode: number;
  readonly body: unknown;
  readonly request: { readonly path: string };
}

export interface Transport {
  /** The interface that node-vault asks for: a function that has been given its defaults. */
  defaults(): (outgoing: Outgoing) => Promise<Incoming>;
  close(): void;
}

const MAX_ANSWER_BYTES = 64 << 20;

export function createTransport({ tls, timeoutMilliseconds, maxConnections }: TransportOptions): Transport {
  const limits = { keepAlive: true, maxSockets: maxConnections };
  const http = new HttpAgent(limits);
  const https = new HttpsAgent({
    ...limits,
    rejectUnauthorized: true,
    ...(tls.certificateAuthorities === undefined ? {} : { ca: tls.certificateAuthorities }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.privateKey === undefined ? {} : { key: tls.privateKey }),
  });
  const send = (outgoing: Outgoing): Promise<Incoming> => {
    const deadline = AbortSignal.timeout(timeoutMilliseconds);
    const signal = outgoing.signal === undefined ? deadline : AbortSignal.any([outgoing.signal, deadline]);
    return exchange(outgoing, { http, https }, signal).catch((error: unknown) => {
      throw faultFrom(error, deadline);
    });
  };
  return {
    defaults: () => send,
    close: () => {
      http.destroy();
      https.destroy();
    },
  };
}

async function exchange(
  { method, uri, headers, json }: Outgoing,
  agents: { readonly http: HttpAgent; readonly https: HttpsAgent },
  signal: AbortSignal,
): Promise<Incoming> {
  const url = new URL(uri);
  const body = json !== undefined && json !== true ? JSON.stringify(json) : undefined;
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const options = {
    method,
    signal,
    headers: { accept: "application/json", "content-type": "application/json", ...headers, ...length },
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, agent: agents.https, rejectUnauthorized: true })
        : httpRequest(url, { ...options, agent: agents.http });
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
  const text = await read(response);
  return {
    statusCode: response.statusCode ?? 0,
    body: parsed(text, response.statusCode ?? 0),
    request: { path: url.pathname },
  };
}

async function read(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    // A response without an encoding gives buffers.
    size += (part as Buffer).length;
    if (size > MAX_ANSWER_BYTES)
      throw new VaultFault("malformed", response.statusCode, "an answer without end");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}

function parsed(text: string, status: number): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Proxies in front of Vault answer with pages of their own; their status still says something.
    if (status >= 400) return undefined;
    throw new VaultFault("malformed", status);
  }
}

function faultFrom(error: unknown, deadline: AbortSignal): VaultFault {
  if (error instanceof VaultFault) return error;
  if (deadline.aborted) return new VaultFault("timeout");
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  const known = /^[A-Z0-9_]{1,60}$/.test(code) ? code : "";
  const certificate = /CERT|UNABLE_TO|SELF_SIGNED|ALTNAME|SSL|TLS/.test(known);
  return new VaultFault(certificate ? "certificate" : "unreachable", undefined, known);
}
