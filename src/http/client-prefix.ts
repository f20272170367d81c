import { BlockList, isIP, isIPv4 } from "node:net";

/**
 * Network prefix that limits are kept for: one IPv4 address, or the /64 that any IPv6 host can change addresses
 * within at will.
 */
export function prefixOf(address: string): string {
  if (isIPv4(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  return isIP(address) === 6 ? `${ipv6Groups(address).slice(0, 4).join(":")}::/64` : "unknown";
}

/** The eight groups of an IPv6 address, without leading zeros. */
function ipv6Groups(address: string): string[] {
  const bare = address.replace(/%.*$/, "").toLowerCase();
  const [head = "", tail] = bare.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: Math.max(0, missing) }, () => "0"), ...after];
  return groups.map((group) => group.replace(/^0+(?=.)/, ""));
}

/** Proxies whose word about the client is believed. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #any: boolean;

  /** @param networks - addresses or CIDR networks @throws RangeError on anything else */
  constructor(networks: readonly string[]) {
    this.#any = networks.length > 0;
    for (const network of networks) this.#add(network);
  }

  /** Whether connections from there carry many clients. */
  includes(address: string): boolean {
    if (!this.#any) return false;
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 4 ? "ipv4" : "ipv6");
  }

  /**
   * The client's address: the peer's own, or, when the peer is a trusted proxy, the last address in
   * `X-Forwarded-For` that is not one. Earlier entries are the client's own claim and are not looked at.
   */
  clientOf(peer: string, forwardedFor: string | undefined): string {
    if (forwardedFor === undefined || !this.includes(peer)) return peer;
    const hops = forwardedFor.split(",").map((hop) => hop.trim());
    for (const hop of hops.reverse()) {
      if (isIP(hop) === 0) return peer;
      if (!this.includes(hop)) return hop;
    }
    return peer;
  }

  #add(network: string): void {
    const [address = "", bits, ...rest] = network.split("/");
    const family = isIP(address);
    const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
    const valid =
      family !== 0 &&
      rest.length === 0 &&
      /^\d{1,3}$/.test(bits ?? "0") &&
      length <= (family === 4 ? 32 : 128);
    if (!valid) throw new RangeError(`"${network}" is not an IP address or network`);
    this.#list.addSubnet(address, length, family === 4 ? "ipv4" : "ipv6");
  }
}
