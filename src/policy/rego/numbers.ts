/**
 * Arithmetic on Rego numbers. Integers are exact at any size up to `MAX_INTEGER_BITS`; everything else is an
 * IEEE double. Every function returns the one representation that `value.ts` prescribes.
 */
import { BudgetError, BuiltinError } from "./errors.ts";

/** Either representation of a Rego number. */
export type Num = number | bigint;

/** Longest integer. Without a bound a policy could spend all memory on one product or exponent. */
export const MAX_INTEGER_BITS = 16_384;
/** Most significant digits of a number's text; 4096 digits take about 13,600 bits. */
export const MAX_NUMBER_DIGITS = 4_096;

const INTEGER_BOUND = 1n << BigInt(MAX_INTEGER_BITS);
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The one representation of an integer. @throws BudgetError beyond `MAX_INTEGER_BITS` */
export function fromBigInt(value: bigint): Num {
  if (value <= MAX_SAFE && value >= -MAX_SAFE) return Number(value);
  if (value >= INTEGER_BOUND || value <= -INTEGER_BOUND) throw new BudgetError("bigintBits");
  return value;
}

/** The one representation of a finite double. @throws BudgetError for ±Infinity and NaN: out of range */
export function fromDouble(value: number): Num {
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
  if (!Number.isFinite(value)) throw new BudgetError("bigintBits");
  return Number.isInteger(value) ? fromBigInt(BigInt(value)) : value;
}

/** A number of a JS document; what JSON cannot hold (NaN, ±Infinity) becomes null, as `JSON.stringify` does. */
export function numberFromJs(value: Num): Num | null {
  if (typeof value === "bigint") return fromBigInt(value);
  return Number.isFinite(value) ? fromDouble(value) : null;
}

/** Whether the number has no fraction. A bigint always is one. */
export function isInteger(value: Num): boolean {
  return typeof value === "bigint" || Number.isInteger(value);
}

/** Bits of the magnitude; 0 for 0. */
export function bitLength(value: bigint): number {
  const hex = (value < 0n ? -value : value).toString(16);
  return hex === "0" ? 0 : (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex.charAt(0), 16)));
}

export function add(a: Num, b: Num): Num {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
    if (!Number.isInteger(a) || !Number.isInteger(b)) return fromDouble(sum);
  } else if (!isInteger(a) || !isInteger(b)) return fromDouble(Number(a) + Number(b));
  return fromBigInt(BigInt(a) + BigInt(b));
}

export function subtract(a: Num, b: Num): Num {
  return add(a, typeof b === "bigint" ? fromBigInt(-b) : 0 - b);
}

export function multiply(a: Num, b: Num): Num {
  if (typeof a === "number" && typeof b === "number") {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product === 0 ? 0 : product;
    if (!Number.isInteger(a) || !Number.isInteger(b)) return fromDouble(product);
  } else if (!isInteger(a) || !isInteger(b)) return fromDouble(Number(a) * Number(b));
  return fromBigInt(BigInt(a) * BigInt(b));
}

/** Exact when it divides evenly. @throws BuiltinError by zero */
export function divide(a: Num, b: Num): Num {
  if (b === 0) throw new BuiltinError("eval_builtin_error", "divide by zero");
  if (typeof a === "number" && typeof b === "number") return fromDouble(a / b);
  if (!isInteger(a) || !isInteger(b)) return fromDouble(Number(a) / Number(b));
  const dividend = BigInt(a);
  const divisor = BigInt(b);
  return dividend % divisor === 0n ? fromBigInt(dividend / divisor) : quotient(dividend, divisor);
}

/** A quotient of integers either of which may be beyond the range of doubles. */
function quotient(a: bigint, b: bigint): Num {
  // 70 bits of quotient leave the double rounded correctly but for ties, which cannot be told apart anyway.
  const shift = 70 - bitLength(a) + bitLength(b);
  const scaled = shift >= 0 ? (a << BigInt(shift)) / b : a / (b << BigInt(-shift));
  return fromDouble(Number(scaled) * 2 ** -shift);
}

/** Integers only; the sign follows the dividend. @throws BuiltinError by zero or on a fraction */
export function remainder(a: Num, b: Num): Num {
  if (!isInteger(a) || !isInteger(b))
    throw new BuiltinError("eval_builtin_error", "modulo on floating-point number");
  if (b === 0) throw new BuiltinError("eval_builtin_error", "modulo by zero");
  if (typeof a === "number" && typeof b === "number") return fromDouble(a % b);
  return fromBigInt(BigInt(a) % BigInt(b));
}

export function negate(value: Num): Num {
  return subtract(0, value);
}

/**
 * Reads a decimal number: optional minus, digits, optional fraction, optional exponent. A missing integer part
 * (`.5`) is accepted, because Rego text may have it.
 *
 * @returns undefined when the text is not such a number
 * @throws BudgetError when it has more than `MAX_NUMBER_DIGITS` digits or more than `MAX_INTEGER_BITS` bits
 */
export function parseNumber(text: string): Num | undefined {
  const parts = splitNumber(text);
  if (parts === undefined) return undefined;
  const digits = trimZeros(parts.whole + parts.fraction);
  if (digits.text === "") return 0;
  if (digits.text.length > MAX_NUMBER_DIGITS) throw new BudgetError("bigintBits");
  const scale = parts.exponent - parts.fraction.length + digits.trailing;
  if (scale < 0) return fraction(text, digits.text, scale, parts.negative);
  if (digits.text.length + scale > MAX_NUMBER_DIGITS) throw new BudgetError("bigintBits");
  const magnitude = BigInt(digits.text + "0".repeat(scale));
  return fromBigInt(parts.negative ? -magnitude : magnitude);
}

function fraction(text: string, digits: string, scale: number, negative: boolean): Num {
  const double = Number(text);
  if (Number.isFinite(double)) return fromDouble(double);
  // Beyond the doubles there is no fraction to keep.
  const magnitude = BigInt(digits.slice(0, digits.length + scale));
  return fromBigInt(negative ? -magnitude : magnitude);
}

interface NumberParts {
  readonly negative: boolean;
  readonly whole: string;
  readonly fraction: string;
  readonly exponent: number;
}

function splitNumber(text: string): NumberParts | undefined {
  const negative = text.startsWith("-");
  const wholeEnd = skipDigits(text, negative ? 1 : 0);
  const whole = text.slice(negative ? 1 : 0, wholeEnd);
  let end = wholeEnd;
  if (text[end] === ".") {
    end = skipDigits(text, end + 1);
    if (end === wholeEnd + 1) return undefined;
  }
  const decimals = text.slice(wholeEnd + 1, end);
  if (whole === "" && decimals === "") return undefined;
  const exponent = end === text.length ? 0 : readExponent(text, end);
  return exponent === undefined ? undefined : { negative, whole, fraction: decimals, exponent };
}

function readExponent(text: string, start: number): number | undefined {
  if (text[start] !== "e" && text[start] !== "E") return undefined;
  const signed = text[start + 1] === "+" || text[start + 1] === "-";
  const first = start + (signed ? 2 : 1);
  if (first === text.length || skipDigits(text, first) !== text.length) return undefined;
  // A million is as far out of range as anything beyond it, and keeps the sums below exact.
  const magnitude = Math.min(Number(text.slice(first)), 1_000_000);
  return text[start + 1] === "-" ? -magnitude : magnitude;
}

/** The first position at or after `at` that holds no digit. */
export function skipDigits(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) >= 0x30 && text.charCodeAt(end) <= 0x39) end++;
  return end;
}

function trimZeros(digits: string): { readonly text: string; readonly trailing: number } {
  let start = 0;
  let end = digits.length;
  while (digits[start] === "0") start++;
  while (end > start && digits[end - 1] === "0") end--;
  return { text: digits.slice(start, end), trailing: digits.length - end };
}
