/**
 * Doubles as decimal text the way Go's `strconv.FormatFloat` writes them: correctly rounded from the exact
 * value, ties to even. The platform's `toFixed` rounds ties up and stops at 100 digits.
 */

/** |value| = digits × 10^exponent exactly, `digits` without a leading zero. */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

const VIEW = new DataView(new ArrayBuffer(8));

/** Splits a finite double: |value| = mantissa × 2^exponent. */
export function splitDouble(value: number): { readonly mantissa: bigint; readonly exponent: number } {
  VIEW.setFloat64(0, Math.abs(value));
  const bits = VIEW.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const fraction = bits & 0xfffffffffffffn;
  if (biased === 0) return { mantissa: fraction, exponent: -1074 };
  return { mantissa: fraction | 0x10000000000000n, exponent: biased - 1075 };
}

function exactDecimal(value: number): Decimal {
  const { mantissa, exponent } = splitDouble(value);
  if (exponent >= 0) return { digits: String(mantissa << BigInt(exponent)), exponent: 0 };
  return { digits: String(mantissa * 5n ** BigInt(-exponent)), exponent };
}

/** Drops all but `keep` leading digits, rounding to nearest and ties to even; may yield one digit more. */
function round(digits: string, keep: number): string {
  if (keep >= digits.length) return digits + "0".repeat(keep - digits.length);
  if (keep < 0) return "0";
  const kept = digits.slice(0, keep);
  const rest = digits.slice(keep);
  const half = `5${"0".repeat(rest.length - 1)}`;
  const odd = keep > 0 && Number(kept.slice(-1)) % 2 === 1;
  const up = rest > half || (rest === half && odd);
  return String(BigInt(kept === "" ? "0" : kept) + (up ? 1n : 0n)).padStart(keep, "0");
}

/** `%f` without a sign. */
export function fixedText(value: number, precision: number): string {
  const { digits, exponent } = exactDecimal(value);
  const whole = digits.length + exponent;
  const rounded = round(
    whole < 0 ? digits.padStart(digits.length - whole, "0") : digits,
    Math.max(0, whole) + precision,
  );
  const padded = rounded.padStart(precision + 1, "0");
  const split = padded.length - precision;
  return precision === 0 ? padded : `${padded.slice(0, split)}.${padded.slice(split)}`;
}

/** `%e` without a sign; a negative precision takes the shortest text that reads back as the same double. */
export function exponentText(value: number, precision: number): string {
  const { digits, point } = precision < 0 ? shortest(value) : roundedTo(value, precision + 1);
  const mantissa = digits.length > 1 ? `${digits.charAt(0)}.${digits.slice(1)}` : digits;
  return `${mantissa}e${exponentSuffix(point - 1)}`;
}

/** `%g` without a sign; `keepZeros` is Go's `#` flag. */
export function generalText(value: number, precision: number, keepZeros: boolean): string {
  const wanted = precision === 0 ? 1 : precision;
  const { digits, point } = wanted < 0 ? shortest(value) : roundedTo(value, wanted);
  const significant = keepZeros ? digits : trimZeros(digits);
  if (point - 1 < -4 || point - 1 >= exponentThreshold(wanted, significant.length, point)) {
    const mantissa =
      significant.length > 1 ? `${significant.charAt(0)}.${significant.slice(1)}` : significant;
    return `${mantissa}e${exponentSuffix(point - 1)}`;
  }
  return plain(significant, point);
}

/** The decimal exponent from which `%g` writes an exponent. */
function exponentThreshold(precision: number, count: number, point: number): number {
  if (precision < 0) return 6;
  return precision > count && count >= point ? count : precision;
}

function plain(digits: string, point: number): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return digits.padEnd(point, "0");
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Digits with the position of the decimal point before them counted from the left. */
interface Positional {
  readonly digits: string;
  readonly point: number;
}

function shortest(value: number): Positional {
  const [mantissa = "0", exponent = "0"] = Math.abs(value).toExponential().split("e");
  return { digits: mantissa.replace(".", ""), point: Number(exponent) + 1 };
}

function roundedTo(value: number, count: number): Positional {
  const { digits, exponent } = exactDecimal(value);
  const rounded = round(digits, count);
  // Rounding 9.99 up adds a digit in front.
  const carried = rounded.length > count ? 1 : 0;
  return { digits: rounded.slice(0, count), point: digits.length + exponent + carried };
}

function trimZeros(digits: string): string {
  let end = digits.length;
  while (end > 1 && digits[end - 1] === "0") end--;
  return digits.slice(0, end);
}

function exponentSuffix(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** `%x` without a sign: the shortest hexadecimal mantissa and a binary exponent. */
export function hexText(value: number): string {
  const { mantissa, exponent } = splitDouble(value);
  const shift = 53 - mantissa.toString(2).length;
  const digits = trimZeros((mantissa << BigInt(shift)).toString(16).slice(1));
  const binary = exponent - shift + 52;
  return `0x1${digits === "0" ? "" : `.${digits}`}p${exponentSuffix(binary)}`;
}

/** `%b` without a sign: decimal mantissa and binary exponent. */
export function binaryText(value: number): string {
  const { mantissa, exponent } = splitDouble(value);
  return `${mantissa}p${exponent < 0 ? "-" : "+"}${Math.abs(exponent)}`;
}
