import { ObjectBuilder } from "../collections.ts";
import { fromBigInt } from "../numbers.ts";
import type { RObject } from "../value.ts";
import { type Builtin, define, stringAt } from "./builtin.ts";
import { objectOf } from "./types.ts";

/** Hundreds of nanoseconds from 15 October 1582, where UUID times start, to 1970 (RFC 9562 §5.1). */
const EPOCH_OFFSET = 122_192_928_000_000_000n;

/** The 16 bytes of a UUID in any form Go's reader knows: plain, with dashes, in braces, as a URN. */
function parseUuid(text: string): Buffer | undefined {
  switch (text.length) {
    case 32:
      return fromHex(text);
    case 36:
      return fromDashed(text);
    case 38:
      return fromDashed(text.slice(1, 37));
    case 45:
      return text.slice(0, 9).toLowerCase() === "urn:uuid:" ? fromDashed(text.slice(9)) : undefined;
    default:
      return undefined;
  }
}

function fromDashed(text: string): Buffer | undefined {
  if ([8, 13, 18, 23].some((at) => text[at] !== "-")) return undefined;
  return fromHex(text.replaceAll("-", ""));
}

function fromHex(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "hex");
  return text.length === 32 && bytes.length === 16 ? bytes : undefined;
}

/** RFC 9562 §4.1: the high bits of octet 8. */
function variant(octet: number): string {
  if (octet < 0x80) return "Reserved";
  if (octet < 0xc0) return "RFC4122";
  return octet < 0xe0 ? "Microsoft" : "Future";
}

function macVariables(octet: number): string {
  return `${octet & 2 ? "local" : "global"}:${octet & 1 ? "multicast" : "unicast"}`;
}

const DOMAINS = ["Person", "Group", "Org"];

function describe(bytes: Buffer): RObject {
  const version = bytes.readUInt8(6) >> 4;
  const object = new ObjectBuilder();
  object.set("version", version).set("variant", variant(bytes.readUInt8(8)));
  if (version === 1 || version === 2) describeNode(bytes, object);
  if (version === 2) {
    const domain = bytes.readUInt8(9);
    object.set("domain", DOMAINS[domain] ?? `Domain${domain}`).set("id", bytes.readUInt32BE(0));
  }
  return object.build();
}

/** Time, clock sequence and node of versions 1 and 2. */
function describeNode(bytes: Buffer, object: ObjectBuilder): void {
  const time =
    BigInt(bytes.readUInt32BE(0)) |
    (BigInt(bytes.readUInt16BE(4)) << 32n) |
    (BigInt(bytes.readUInt16BE(6) & 0xfff) << 48n);
  const node = [...bytes.subarray(10)].map((octet) => octet.toString(16).padStart(2, "0"));
  object
    .set("time", fromBigInt(BigInt.asIntN(64, (time - EPOCH_OFFSET) * 100n)))
    .set("clocksequence", bytes.readUInt16BE(8) & 0x3fff)
    .set("nodeid", node.join("-"))
    .set("macvariables", macVariables(bytes.readUInt8(10)));
}

export const UUID: readonly Builtin[] = [
  define("uuid.parse", ["string"], objectOf("string", "any"), (args, ctx) => {
    const bytes = parseUuid(stringAt(args, 0));
    if (bytes === undefined) return undefined;
    ctx.cells(8);
    return describe(bytes);
  }),
];
