import {
  type DocumentOptions,
  type ParseOptions,
  parseDocument,
  type SchemaOptions,
  stringify,
  type Tags,
} from "yaml";
import { BudgetError } from "../errors.ts";
import { fromJson, memberName, toJson } from "../json.ts";
import type { Value } from "../value.ts";
import { anyAt, type Builtin, type BuiltinContext, badValue, define, stringAt } from "./builtin.ts";
import { marshal } from "./encoding.ts";
import { produced } from "./strings.ts";

/** Longest document. The reader is much slower than the one for JSON. */
const MAX_LENGTH = 256 * 1024;
/** Aliases may repeat this many nodes: `&a [*b, *b]` doubles with every line. */
const MAX_ALIASES = 100;
/** Deepest nesting of what the reader hands over. */
const MAX_DEPTH = 256;

/** YAML 1.1 as OPA reads it: `yes` is true, `010` is eight, `<<` merges. */
const DIALECT = { version: "1.1", schema: "yaml-1.1" } as const;
/** Types of YAML that JSON does not have. */
const FOREIGN_TAGS = ["timestamp", "binary", "omap", "pairs", "set"];
/** A member that occurs twice is refused, which is stricter than OPA. */
const READING: ParseOptions & DocumentOptions & SchemaOptions = {
  ...DIALECT,
  intAsBigInt: true,
  logLevel: "silent",
  customTags: withoutForeign,
};
const WRITING = {
  ...DIALECT,
  sortMapEntries: true,
  lineWidth: 0,
  aliasDuplicateObjects: false,
  indentSeq: false,
} as const;

function withoutForeign(tags: Tags): Tags {
  return tags.filter(
    (tag) => typeof tag === "string" || !FOREIGN_TAGS.includes(tag.tag.split(":").at(-1) ?? ""),
  );
}

/** One YAML document; members have text as names, as in JSON. @throws BuiltinError, BudgetError */
function unmarshal(text: string, ctx: BuiltinContext): Value {
  if (text.length > MAX_LENGTH) throw new BudgetError("stringLength");
  ctx.charge(1 + text.length);
  ctx.stringBytes(text.length);
  return fromJson(withoutMaps(read(text), 0));
}

function read(text: string): unknown {
  const document = parseDocument(text, READING);
  const [fault] = document.errors;
  if (fault !== undefined) throw badValue(`malformed YAML: ${fault.code}`);
  try {
    return document.toJS({ mapAsMap: true, maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof ReferenceError) throw badValue("YAML with an unresolved or excessive alias");
    throw error;
  }
}

/** Maps as objects whose members are defined, not assigned: `__proto__` is data. */
function withoutMaps(plain: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new BudgetError("valueDepth");
  if (Array.isArray(plain)) return plain.map((item) => withoutMaps(item, depth + 1));
  if (plain instanceof Map) {
    const entries = [...plain].map(([name, value]) => [nameOf(name), withoutMaps(value, depth + 1)] as const);
    return Object.fromEntries(entries);
  }
  if (typeof plain === "number" && !Number.isFinite(plain))
    throw badValue("YAML with a number JSON does not have");
  return plain;
}

function nameOf(name: unknown): string {
  if (typeof name === "object")
    throw badValue("a YAML mapping with a key that is neither text, number nor boolean");
  return memberName(fromJson(name));
}

function isYaml(value: Value, ctx: BuiltinContext): boolean {
  if (typeof value !== "string") return false;
  try {
    unmarshal(value, ctx);
    return true;
  } catch (error) {
    if (error instanceof BudgetError) throw error;
    return false;
  }
}

export const YAML: readonly Builtin[] = [
  define("yaml.is_valid", ["any"], "boolean", (args, ctx) => isYaml(anyAt(args, 0), ctx)),
  define("yaml.unmarshal", ["string"], "any", (args, ctx) => unmarshal(stringAt(args, 0), ctx)),
  define("yaml.marshal", ["any"], "string", (args, ctx) => {
    const value = anyAt(args, 0);
    // Bounds the text before the writer sees the value.
    marshal(value, undefined, ctx);
    return produced(stringify(toJson(value), WRITING), ctx);
  }),
];
