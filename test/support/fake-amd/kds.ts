import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** A key distribution service on loopback that does what a test tells it. */
export class FakeKds {
  /** Paths asked for, in order. */
  readonly asked: string[] = [];
  behave: Behaviour = answer(404);
  #server: Server | undefined;

  async start(): Promise<string> {
    const server = createServer((request, response) => {
      this.asked.push(request.url ?? "");
      this.behave(request, response);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    // A TCP server has no other kind of address.
    const { port } = server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Whoever waits for an answer gets none. */
  closeConnections(): void {
    this.#server?.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.closeConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

export function answer(
  status: number,
  body: Uint8Array = Buffer.alloc(0),
  headers: Record<string, string> = {},
): Behaviour {
  return (_request, response) => response.writeHead(status, headers).end(body);
}

export const hang: Behaviour = () => undefined;

/** One byte at a time and never the last. */
export const drip: Behaviour = (_request, response) => {
  response.writeHead(200, { "content-length": "1000" });
  const timer = setInterval(() => response.write("x"), 20);
  response.on("close", () => clearInterval(timer));
};

export const endless: Behaviour = (_request, response) => {
  response.writeHead(200);
  const chunk = Buffer.alloc(16 * 1024, 0x30);
  const pump = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", pump);
  pump();
};

export const cutOff: Behaviour = (_request, response) => {
  response.writeHead(200, { "content-length": "1000" });
  response.write("short", () => response.destroy());
};
