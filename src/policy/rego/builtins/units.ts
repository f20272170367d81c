import { fromBigInt, type Num, parseNumber, skipDigits } from "../numbers.ts";
import { type Builtin, badValue, define, stringAt } from "./builtin.ts";

const DECIMAL = ["k", "m", "g", "t", "p", "e"].map((unit, at) => [unit, 1000n ** BigInt(at + 1)] as const);
const BINARY = ["ki", "mi", "gi", "ti", "pi", "ei"].map(
  (unit, at) => [unit, 1024n ** BigInt(at + 1)] as const,
);

/** Factors in thousandths. Only the first letter of a unit has a case that means something: m or M. */
const UNITS: ReadonlyMap<string, bigint> = new Map<string, bigint>([
  ["", 1000n],
  ["m", 1n],
  ...[...DECIMAL, ...BINARY]
    .filter(([unit]) => unit !== "m")
    .map(([unit, factor]) => [unit, factor * 1000n] as const),
  ...[...DECIMAL, ...BINARY].map(
    ([unit, factor]) => [unit.charAt(0).toUpperCase() + unit.slice(1), factor * 1000n] as const,
  ),
]);

const BYTE_UNITS: ReadonlyMap<string, bigint> = new Map<string, bigint>([
  ["", 1n],
  ...[...DECIMAL, ...BINARY].flatMap(([unit, factor]) => [
    [unit, factor] as const,
    [`${unit}b`, factor] as const,
  ]),
]);

const MAX_DIGITS = 1_000;
const MAX_EXPONENT = 1_000;

/** An exact amount: numerator / denominator. */
interface Ratio {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Splits `1.5Ki` into amount and unit. An `e` belongs to the amount when an exponent follows. */
function splitAmount(text: string): readonly [string, string] {
  let at = signLength(text);
  while (at < text.length && isAmountPart(text, at)) {
    const exponent = text[at] === "e" || text[at] === "E";
    at += exponent && !isDigit(text.charAt(at + 1)) ? 2 : 1;
  }
  if (at === 0) throw badValue("no amount provided");
  return [text.slice(0, at), text.slice(at)];
}

function signLength(text: string): number {
  return text.startsWith("-") || text.startsWith("+") ? 1 : 0;
}

function isAmountPart(text: string, at: number): boolean {
  const character = text.charAt(at);
  if (character !== "e" && character !== "E") return character === "." || isDigit(character);
  const next = text.charAt(at + 1);
  return next === "+" || next === "-" || isDigit(next);
}

function isDigit(character: string): boolean {
  return character >= "0" && character <= "9";
}

function ratio(signed: string): Ratio {
  const { numerator, denominator } = unsignedRatio(signed.slice(signLength(signed)));
  return { numerator: signed.startsWith("-") ? -numerator : numerator, denominator };
}

function unsignedRatio(amount: string): Ratio {
  const exponentAt = amount.toLowerCase().indexOf("e");
  const mantissa = exponentAt < 0 ? amount : amount.slice(0, exponentAt);
  const point = mantissa.indexOf(".");
  const digits = mantissa.replace(".", "");
  if (digits === "" || digits.length > MAX_DIGITS || skipDigits(digits, 0) !== digits.length)
    throw badValue("could not parse amount to a number");
  const decimals = point < 0 ? 0 : mantissa.length - point - 1;
  const exponent = exponentOf(exponentAt < 0 ? "0" : amount.slice(exponentAt + 1)) - decimals;
  const scale = 10n ** BigInt(Math.abs(exponent));
  const value = BigInt(digits);
  return exponent >= 0
    ? { numerator: value * scale, denominator: 1n }
    : { numerator: value, denominator: scale };
}

function exponentOf(text: string): number {
  const start = signLength(text);
  if (start === text.length || skipDigits(text, start) !== text.length)
    throw badValue("could not parse amount to a number");
  const exponent = Number(text);
  if (Math.abs(exponent) > MAX_EXPONENT) throw badValue("exponent too large");
  return exponent;
}

function readAmount(text: string): readonly [Ratio, string] {
  const unquoted = text.replaceAll('"', "");
  if (unquoted.includes(" ")) throw badValue("spaces not allowed in resource strings");
  const [amount, unit] = splitAmount(unquoted);
  return [ratio(amount), unit];
}

function factorOf(units: ReadonlyMap<string, bigint>, unit: string): bigint {
  const factor = units.get(unit);
  if (factor === undefined) throw badValue(`unit ${unit.slice(0, 16)} not recognized`);
  return factor;
}

function parse(text: string): Num {
  const [amount, unit] = readAmount(text);
  const factor = factorOf(UNITS, unit.charAt(0) + unit.slice(1).toLowerCase());
  const numerator = amount.numerator * factor;
  const denominator = amount.denominator * 1000n;
  if (numerator % denominator === 0n) return fromBigInt(numerator / denominator);
  return tenDecimals(numerator, denominator);
}

/** OPA rounds fractions to ten decimals, halves away from zero. */
function tenDecimals(numerator: bigint, denominator: bigint): Num {
  const magnitude = numerator < 0n ? -numerator : numerator;
  const scaled = String((magnitude * 20_000_000_000n + denominator) / (denominator * 2n)).padStart(11, "0");
  const split = scaled.length - 10;
  const sign = numerator < 0n ? "-" : "";
  return parseNumber(`${sign}${scaled.slice(0, split)}.${scaled.slice(split)}`) ?? 0;
}

function parseBytes(text: string): Num {
  const [amount, unit] = readAmount(text);
  const factor = factorOf(BYTE_UNITS, unit.toLowerCase());
  return fromBigInt((amount.numerator * factor) / amount.denominator);
}

export const UNIT_FUNCTIONS: readonly Builtin[] = [
  define("units.parse", ["string"], "number", (args) => parse(stringAt(args, 0))),
  define("units.parse_bytes", ["string"], "number", (args) => parseBytes(stringAt(args, 0))),
];
