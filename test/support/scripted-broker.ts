import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly cookie: string | undefined;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
}

export interface ScriptedBroker {
  readonly url: URL;
  readonly seen: readonly ScriptedRequest[];
  close(): Promise<void>;
}

/** A listening server that says what a test tells it to say; for the behaviour of clients. */
export async function scriptedBroker(
  script: (request: ScriptedRequest, index: number) => ScriptedAnswer,
): Promise<ScriptedBroker> {
  const seen: ScriptedRequest[] = [];
  const server = createServer((request, response) => {
    read(request).then((body) => {
      const { cookie, authorization } = request.headers;
      const entry = { method: request.method ?? "", path: request.url ?? "", cookie, authorization, body };
      seen.push(entry);
      reply(response, script(entry, seen.length - 1));
    }, response.destroy.bind(response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A TCP server's address is an object (node:net).
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString();
}

function reply(response: ServerResponse, answer: ScriptedAnswer): void {
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}
