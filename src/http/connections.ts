import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type PrefixLengths, prefixOf, type TrustedProxies } from "./client-prefix.ts";

export interface ConnectionLimits {
  /** Connections at once, from everywhere. */
  readonly maxConnections: number;
  /** Connections at once from one prefix; trusted proxies carry many clients and are exempt. */
  readonly maxConnectionsPerPrefix: number;
  readonly rates: PrefixLengths;
}

/** Closes what goes beyond the limits before a byte of it was read: nobody can hold all connections alone. */
export function limitConnections(
  server: Server,
  limits: ConnectionLimits,
  proxies: TrustedProxies,
  onRefused: () => void,
): void {
  const open = new Map<string, number>();
  server.maxConnections = limits.maxConnections;
  server.on("drop", onRefused);
  // TLS servers announce the raw connection too, before the handshake.
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    if (proxies.includes(address)) return;
    const prefix = prefixOf(address, limits.rates);
    const count = (open.get(prefix) ?? 0) + 1;
    if (count > limits.maxConnectionsPerPrefix) {
      onRefused();
      socket.destroy();
      return;
    }
    open.set(prefix, count);
    socket.once("close", () => {
      const left = (open.get(prefix) ?? 1) - 1;
      if (left === 0) open.delete(prefix);
      else open.set(prefix, left);
    });
  });
}
