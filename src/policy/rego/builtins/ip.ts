/** IP addresses and networks as Go's `net` package reads and prints them. */

/** An address. IPv4 addresses mapped into IPv6 are IPv4 addresses. */
export interface Address {
  /** 32 or 128. */
  readonly bits: number;
  readonly value: bigint;
}

/** All addresses that share the first `prefix` bits with `value`, whose other bits are zero. */
export interface Network extends Address {
  readonly prefix: number;
}

const MAPPED = 0xffffn;

/** Without a zone; `undefined` when the text is no address. */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(":")) {
    const value = parseV4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseV6(text);
  return value === undefined ? undefined : unmapped({ bits: 128, value });
}

function unmapped(address: Address): Address {
  if (address.bits !== 128 || address.value >> 32n !== MAPPED) return address;
  return { bits: 32, value: address.value & 0xffffffffn };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    const octet = parseDigits(part, 10, 3);
    if (octet === undefined || octet > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = (value << 8n) | BigInt(octet);
  }
  return value;
}

function parseDigits(text: string, base: 10 | 16, maxLength: number): number | undefined {
  if (text === "" || text.length > maxLength) return undefined;
  for (const digit of text.toLowerCase()) {
    const known = (digit >= "0" && digit <= "9") || (base === 16 && digit >= "a" && digit <= "f");
    if (!known) return undefined;
  }
  return Number.parseInt(text, base);
}

function parseV6(text: string): bigint | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...new Array<bigint>(missing).fill(0n), ...tail];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

/** Groups of 16 bits; the last one may be an IPv4 address, which is two. */
function parseGroups(text: string, last: boolean): readonly bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    const v4 = last && at === parts.length - 1 && part.includes(".") ? parseV4(part) : undefined;
    const group = v4 === undefined ? parseDigits(part, 16, 4) : undefined;
    if (v4 !== undefined) groups.push(v4 >> 16n, v4 & 0xffffn);
    else if (group === undefined) return undefined;
    else groups.push(BigInt(group));
  }
  return groups;
}

/** An address with a prefix length; `undefined` when the text is no CIDR. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const host = text.slice(0, slash);
  const bits = host.includes(":") ? 128 : 32;
  const value = bits === 128 ? parseV6(host) : parseV4(host);
  const prefix = parseDigits(text.slice(slash + 1), 10, 8);
  if (value === undefined || prefix === undefined || prefix > bits) return undefined;
  const network = masked(value, bits, prefix);
  const inner = unmapped(network);
  return inner.bits === bits || prefix < 96 ? network : { ...inner, prefix: prefix - 96 };
}

function masked(value: bigint, bits: number, prefix: number): Network {
  const hostBits = BigInt(bits - prefix);
  return { bits, value: (value >> hostBits) << hostBits, prefix };
}

/** The network of the given prefix length around an address. */
export function networkOf(address: Address, prefix: number): Network {
  return masked(address.value, address.bits, prefix);
}

export function contains(network: Network, address: Address): boolean {
  const hostBits = BigInt(network.bits - network.prefix);
  return network.bits === address.bits && network.value >> hostBits === address.value >> hostBits;
}

/** How many addresses the network has. */
export function size(network: Network): bigint {
  return 1n << BigInt(network.bits - network.prefix);
}

/** The last address of the network. */
export function last(network: Network): Address {
  return { bits: network.bits, value: network.value + size(network) - 1n };
}

export function addressText(address: Address): string {
  if (address.bits === 32)
    return [24n, 16n, 8n, 0n].map((shift) => String((address.value >> shift) & 0xffn)).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => (address.value >> BigInt(112 - 16 * at)) & 0xffffn);
  return compressed(groups.map((group) => group.toString(16)));
}

/** RFC 5952: the longest run of two or more zero groups, the first of equals, becomes `::`. */
function compressed(groups: readonly string[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}

export function networkText(network: Network): string {
  return `${addressText(network)}/${network.prefix}`;
}
