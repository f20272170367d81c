import { BlockList, isIP, isIPv4 } from "node:net";

/** How many leading bits of an address make a client, for limits. */
export interface PrefixLengths {
  readonly ipv4PrefixLength: number;
  readonly ipv6PrefixLength: number;
}

/** One IPv4 address, or the /64 within which any IPv6 host changes its address at will. */
export const DEFAULT_PREFIX_LENGTHS: PrefixLengths = { ipv4PrefixLength: 32, ipv6PrefixLength: 64 };

/** The network prefix that limits are kept for. IPv4 in IPv6 dress (`::ffff:192.0.2.1`) is IPv4. */
export function prefixOf(address: string, lengths: PrefixLengths = DEFAULT_PREFIX_LENGTHS): string {
  const plain = withoutMapping(address);
  if (isIPv4(plain)) return ipv4Prefix(plain, lengths.ipv4PrefixLength);
  return isIP(plain) === 6 ? ipv6Prefix(plain, lengths.ipv6PrefixLength) : "unknown";
}

function ipv4Prefix(address: string, length: number): string {
  if (length >= 32) return address;
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return `${Math.floor(value / 2 ** (32 - length))}/${length}`;
}

function ipv6Prefix(address: string, length: number): string {
  let left = length;
  const groups = ipv6Groups(address).map((group) => {
    const kept = Math.min(16, Math.max(0, left));
    left -= kept;
    return (Math.floor(group / 2 ** (16 - kept)) * 2 ** (16 - kept)).toString(16);
  });
  return `${groups.join(":")}/${length}`;
}

/** The eight groups of an address that `isIP` took for IPv6. */
function ipv6Groups(address: string): number[] {
  const bare = address.replace(/%.*$/, "").replace(/\d+\.\d+\.\d+\.\d+$/, asGroups);
  const [head = "", tail = ""] = bare.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
}

function asGroups(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split(".").map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function withoutMapping(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
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
    const plain = withoutMapping(address);
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
