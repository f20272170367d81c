/** The verbs of Go's `fmt` for the four kinds of argument that `sprintf` has. */
import { bytesFromText } from "../bytes.ts";
import { isPrintable, quote, quoteRune } from "../text.ts";
import { binaryText, exponentText, fixedText, generalText, hexText } from "./float-text.ts";
import { countCodePoints, sliceCodePoints } from "./unicode.ts";

/** A number of any size or kind, or text. */
export type Formattable = string | number | bigint;

/** What stands between `%` and the verb. */
export interface Directive {
  /** Any of `+ - # 0` and space. */
  readonly flags: Set<string>;
  width: number | undefined;
  precision: number | undefined;
}

/** The name Go has for the argument's type where a verb does not fit. */
function goTypeName(value: Formattable): string {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  return isInt64(value) ? "int" : "big.Int";
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** One argument under one verb; a verb that does not fit the argument gives Go's error text. */
export function formatArgument(verb: string, directive: Directive, value: Formattable): string {
  if (verb === "T") return pad(typeOf(value), directive);
  const text = formatKnown(verb, directive, value);
  return text ?? `%!${verb}(${goTypeName(value)}=${formatKnown("v", directive, value) ?? ""})`;
}

/** The name Go has for the argument's type. */
export function typeOf(value: Formattable): string {
  const name = goTypeName(value);
  return name === "big.Int" ? "*big.Int" : name;
}

function formatKnown(verb: string, directive: Directive, value: Formattable): string | undefined {
  if (typeof value === "string") return formatText(verb, directive, value);
  if (typeof value === "number" && !Number.isInteger(value)) return formatFloat(verb, directive, value);
  const integer = BigInt(value);
  return isInt64(integer) ? formatInt(verb, directive, integer) : formatBigInt(verb, directive, integer);
}

/** Fills up to the width with spaces, or with zeros on the left when the directive asks for them. */
function pad(text: string, { flags, width }: Directive): string {
  const missing = (width ?? 0) - countCodePoints(text);
  if (missing <= 0) return text;
  if (flags.has("-")) return text + " ".repeat(missing);
  return (flags.has("0") ? "0" : " ").repeat(missing) + text;
}

/** As `pad` for numbers: zeros go between the sign and the digits. */
function padNumber(sign: string, digits: string, directive: Directive): string {
  const { flags, width } = directive;
  if (!flags.has("0") || flags.has("-"))
    return pad(sign + digits, { ...directive, flags: without(flags, "0") });
  return sign + digits.padStart((width ?? 0) - sign.length, "0");
}

function without(flags: ReadonlySet<string>, flag: string): Set<string> {
  return new Set([...flags].filter((other) => other !== flag));
}

function formatText(verb: string, directive: Directive, value: string): string | undefined {
  const { flags, precision } = directive;
  const text = precision === undefined ? value : sliceCodePoints(value, 0, precision);
  switch (verb) {
    case "v":
      return pad(flags.has("#") ? quote(text) : text, directive);
    case "s":
      return pad(text, directive);
    case "q":
      return pad(quoteText(text, flags), directive);
    case "x":
    case "X":
      return pad(hexOfText(value, verb, directive), directive);
    default:
      return undefined;
  }
}

function quoteText(text: string, flags: ReadonlySet<string>): string {
  if (flags.has("#") && canBackquote(text)) return `\`${text}\``;
  return quote(text, flags.has("+"));
}

function canBackquote(text: string): boolean {
  for (const character of text) {
    if (character === "`" || character === "\u007f" || character === "\ufeff") return false;
    if (character < " " && character !== "\t") return false;
  }
  return true;
}

function hexOfText(value: string, verb: string, { flags, precision }: Directive): string {
  const bytes = bytesFromText(value).subarray(0, precision);
  const digits = bytes.toString("hex");
  const cased = verb === "X" ? digits.toUpperCase() : digits;
  const prefix = flags.has("#") && cased !== "" ? `0${verb}` : "";
  if (!flags.has(" ")) return prefix + cased;
  const pairs = Array.from({ length: bytes.length }, (_, at) => cased.slice(at * 2, at * 2 + 2));
  return pairs.map((pair) => prefix + pair).join(" ");
}

const BASES: ReadonlyMap<string, number> = new Map([
  ["b", 2],
  ["o", 8],
  ["O", 8],
  ["d", 10],
  ["v", 10],
  ["x", 16],
  ["X", 16],
]);

function formatInt(verb: string, directive: Directive, value: bigint): string | undefined {
  if (verb === "c") return pad(character(value), directive);
  if (verb === "q") return pad(quoteRune(character(value), directive.flags.has("+")), directive);
  if (verb === "U")
    return pad(unicodeName(value, directive), { ...directive, flags: without(directive.flags, "0") });
  const base = BASES.get(verb);
  return base === undefined
    ? undefined
    : inBase(verb, base, verb === "v" ? withoutPlus(directive) : directive, value);
}

/** `%+v` and `%#v` mean field names and Go syntax, not a sign or a prefix. */
function withoutPlus(directive: Directive): Directive {
  return { ...directive, flags: without(without(directive.flags, "+"), "#") };
}

function formatBigInt(verb: string, directive: Directive, value: bigint): string | undefined {
  const base = verb === "s" ? 10 : BASES.get(verb);
  return base === undefined ? undefined : inBase(verb, base, directive, value);
}

function inBase(verb: string, base: number, directive: Directive, value: bigint): string {
  const { flags, precision } = directive;
  const magnitude = (value < 0n ? -value : value).toString(base);
  // Precision 0 of the value 0 is no digit at all.
  if (precision === 0 && value === 0n) return pad("", { ...directive, flags: without(flags, "0") });
  const digits = basePrefix(verb, flags, magnitude.padStart(precision ?? 0, "0"));
  const cased = verb === "X" ? digits.toUpperCase() : digits;
  const effective = precision === undefined ? directive : { ...directive, flags: without(flags, "0") };
  return padNumber(signOf(value < 0n, flags), cased, effective);
}

function basePrefix(verb: string, flags: ReadonlySet<string>, digits: string): string {
  if (verb === "O") return `0o${digits}`;
  if (!flags.has("#")) return digits;
  if (verb === "b") return `0b${digits}`;
  if (verb === "o") return digits.startsWith("0") ? digits : `0${digits}`;
  return verb === "x" || verb === "X" ? `0x${digits}` : digits;
}

function signOf(negative: boolean, flags: ReadonlySet<string>): string {
  if (negative) return "-";
  if (flags.has("+")) return "+";
  return flags.has(" ") ? " " : "";
}

function character(value: bigint): string {
  const valid = value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value <= 0xdfffn);
  return String.fromCodePoint(valid ? Number(value) : 0xfffd);
}

function unicodeName(value: bigint, { flags, precision }: Directive): string {
  const digits = BigInt.asUintN(64, value).toString(16).toUpperCase();
  const name = `U+${digits.padStart(Math.max(4, precision ?? 0), "0")}`;
  const shown = character(value);
  return flags.has("#") && value >= 0n && value <= 0x10ffffn && isPrintable(shown)
    ? `${name} '${shown}'`
    : name;
}

function formatFloat(verb: string, directive: Directive, value: number): string | undefined {
  const digits = floatDigits(verb, directive, value);
  if (digits === undefined) return undefined;
  const flags = verb === "v" ? without(directive.flags, "+") : directive.flags;
  return padNumber(signOf(value < 0, flags), digits, { ...directive, flags });
}

function floatDigits(verb: string, { flags, precision }: Directive, value: number): string | undefined {
  switch (verb) {
    case "v":
      return generalText(value, precision ?? -1, false);
    case "g":
    case "G":
      return cased(verb, general(value, precision, flags.has("#")));
    case "e":
    case "E":
      return cased(verb, exponentText(value, precision ?? 6));
    case "f":
    case "F":
      return fixedText(value, precision ?? 6);
    case "x":
    case "X":
      return cased(verb, hexText(value));
    case "b":
      return binaryText(value);
    default:
      return undefined;
  }
}

/** Under `#`, `%g` keeps zeros up to six digits. */
function general(value: number, precision: number | undefined, keepZeros: boolean): string {
  if (keepZeros) return generalText(value, precision ?? 6, true);
  return generalText(value, precision ?? -1, false);
}

function cased(verb: string, text: string): string {
  return verb < "a" ? text.toUpperCase() : text;
}
