import { RArray, RSet, SetBuilder } from "../collections.ts";
import { BudgetError } from "../errors.ts";
import { isArray, isObject, isSet, type Value } from "../value.ts";
import { anyAt, type Builtin, type BuiltinContext, badType, badValue, define, stringAt } from "./builtin.ts";
import {
  type Address,
  addressText,
  contains,
  last,
  type Network,
  networkOf,
  networkText,
  parseAddress,
  parseNetwork,
  size,
} from "./ip.ts";
import { ARRAY, anyOf, arrayOf, objectOf, setOf, TEXTS, tupleOf } from "./types.ts";

/** Reading or writing an address costs about as much as this many steps. */
const STEPS_PER_ADDRESS = 40;

function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (parsed === undefined) throw badValue(`invalid CIDR address: ${text.slice(0, 64)}`);
  return parsed;
}

/** First and last address of what the text names: one address or a network. */
function bounds(text: string): readonly [Address, Address] {
  const address = parseAddress(text);
  if (address !== undefined) return [address, address];
  const parsed = parseNetwork(text);
  if (parsed === undefined) throw badValue(`not an IP address or CIDR: ${text.slice(0, 64)}`);
  return [parsed, last(parsed)];
}

function holds(outer: string, inner: string): boolean {
  const whole = network(outer);
  const [first, final] = bounds(inner);
  return contains(whole, first) && contains(whole, final);
}

function intersects(a: string, b: string): boolean {
  const [first, second] = [network(a), network(b)];
  return contains(first, second) || contains(second, first);
}

function expand(text: string, ctx: BuiltinContext): RSet {
  const parsed = network(text);
  const count = size(parsed);
  if (count > BigInt(ctx.limits.cells)) throw new BudgetError("cells");
  ctx.cells(Number(count));
  ctx.charge(Number(count) * STEPS_PER_ADDRESS);
  const builder = new SetBuilder();
  for (let at = 0n; at < count; at++)
    builder.add(addressText({ bits: parsed.bits, value: parsed.value + at }));
  return builder.build();
}

/** A CIDR or address with the key, index or text that stands for it in the answer. */
type Labelled = readonly [Value, string];

/** The CIDRs of an operand; in a list or object each may be an array whose first element is the CIDR. */
function labelled(value: Value, at: number): readonly Labelled[] {
  if (typeof value === "string") return [[value, value]];
  if (isArray(value)) return value.items.map((item, index) => [index, cidrOf(item, at)]);
  if (isSet(value)) return value.members().map((member) => [member, cidrOf(member, at)]);
  if (isObject(value)) return value.entries().map(([key, member]) => [key, cidrOf(member, at)]);
  return [];
}

function cidrOf(item: Value, at: number): string {
  if (typeof item === "string") return item;
  const first = isArray(item) ? item.get(0) : undefined;
  if (first === undefined) throw badValue(`operand ${at + 1}: element must be string or non-empty array`);
  if (typeof first !== "string") throw badType(`operand ${at + 1} must be string`);
  return first;
}

function containsMatches(args: readonly Value[], ctx: BuiltinContext): RSet {
  const outer = labelled(anyAt(args, 0), 0);
  const inner = labelled(anyAt(args, 1), 1);
  if (outer.length === 0 || inner.length === 0) return RSet.EMPTY;
  ctx.charge((outer.length + inner.length) * STEPS_PER_ADDRESS + outer.length * inner.length * 4);
  const parts = inner.map(([label, text]) => [label, bounds(text)] as const);
  const found = new SetBuilder();
  for (const [label, cidr] of outer) {
    const whole = network(cidr);
    for (const [otherLabel, [first, final]] of parts) {
      if (!contains(whole, first) || !contains(whole, final)) continue;
      ctx.cells(3);
      found.add(RArray.of([label, otherLabel]));
    }
  }
  return found.build();
}

function merge(args: readonly Value[], ctx: BuiltinContext): RSet {
  const value = anyAt(args, 0);
  if (!isArray(value) && !isSet(value)) throw badValue("operand must be an array or a set");
  const items = isArray(value) ? value.items : value.members();
  ctx.charge(items.length * STEPS_PER_ADDRESS);
  ctx.cells(items.length);
  const merged = [32, 128].flatMap((bits) =>
    mergeNetworks(items.map(mergeable).filter((network) => network.bits === bits)),
  );
  return RSet.of(merged.map(networkText));
}

/** A network, or an IPv4 address, which stands for its historic class. */
function mergeable(item: Value): Network {
  if (typeof item !== "string") throw badValue("element must be string");
  const address = parseAddress(item);
  if (address === undefined) return network(item);
  if (address.bits === 128) throw badValue("IPv6 invalid: needs prefix length");
  return networkOf(address, classPrefix(Number(address.value >> 24n)));
}

function classPrefix(octet: number): number {
  if (octet < 128) return 8;
  if (octet < 192) return 16;
  return octet < 224 ? 24 : 32;
}

/** The fewest networks that cover exactly the same addresses. */
function mergeNetworks(networks: readonly Network[]): Network[] {
  const sorted = [...networks].sort((a, b) =>
    a.value < b.value || (a.value === b.value && a.prefix < b.prefix) ? -1 : 1,
  );
  const merged: Network[] = [];
  for (const next of sorted) {
    const previous = merged.at(-1);
    if (previous !== undefined && contains(previous, next)) continue;
    merged.push(next);
    while (joinLastTwo(merged));
  }
  return merged;
}

/** Replaces the last two networks by one when they are its halves. */
function joinLastTwo(networks: Network[]): boolean {
  const [first, second] = networks.slice(-2);
  if (first === undefined || second === undefined || first.prefix !== second.prefix || first.prefix === 0)
    return false;
  const whole = networkOf(first, first.prefix - 1);
  if (first.value !== whole.value || second.value !== first.value + size(first)) return false;
  networks.splice(-2, 2, whole);
  return true;
}

const CIDRS = anyOf(
  "string",
  arrayOf(anyOf("string", ARRAY)),
  setOf(anyOf("string", ARRAY)),
  objectOf("string", anyOf("string", ARRAY)),
);

export const NET: readonly Builtin[] = [
  define("net.cidr_contains", ["string", "string"], "boolean", (args) =>
    holds(stringAt(args, 0), stringAt(args, 1)),
  ),
  define(
    "net.cidr_overlap",
    ["string", "string"],
    "boolean",
    (args) => holds(stringAt(args, 0), stringAt(args, 1)),
    {
      deprecated: true,
    },
  ),
  define("net.cidr_contains_matches", [CIDRS, CIDRS], setOf(tupleOf("any", "any")), containsMatches),
  define("net.cidr_expand", ["string"], setOf("string"), (args, ctx) => expand(stringAt(args, 0), ctx)),
  define("net.cidr_intersects", ["string", "string"], "boolean", (args) =>
    intersects(stringAt(args, 0), stringAt(args, 1)),
  ),
  define("net.cidr_is_valid", ["any"], "boolean", (args) => {
    const text = anyAt(args, 0);
    return typeof text === "string" && parseNetwork(text) !== undefined;
  }),
  define("net.cidr_merge", [TEXTS], setOf("string"), merge),
];
