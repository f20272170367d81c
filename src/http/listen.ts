import type { AddressInfo, Server } from "node:net";

/**
 * Begins to listen.
 *
 * @param port - 0 takes a free one
 * @returns the address, with the port that was chosen
 * @throws Node's own error when the address cannot be listened on
 */
export function listenOn(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      if (typeof address === "object" && address !== null) resolve(address);
      else reject(new TypeError("the server listens on no IP address"));
    });
  });
}
