import { skipDigits } from "../../numbers.ts";
import { badValue } from "../builtin.ts";

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["\u00b5s", 1_000n],
  ["\u03bcs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

/**
 * Reads a duration as Go writes it: a sign, then numbers with units, as in `1h5m0.5s`.
 *
 * @returns nanoseconds, fitting 64 bits signed
 * @throws BuiltinError
 */
export function parseDuration(text: string): bigint {
  const negative = text.startsWith("-");
  const body = negative || text.startsWith("+") ? text.slice(1) : text;
  if (body === "0") return 0n;
  if (body === "" || text.length > 1024) throw badValue("invalid duration");
  let total = 0n;
  for (let at = 0; at < body.length; ) {
    const part = partAt(body, at);
    total += part.nanoseconds;
    at = part.end;
  }
  const signed = negative ? -total : total;
  if (BigInt.asIntN(64, signed) !== signed) throw badValue("duration out of range");
  return signed;
}

function partAt(text: string, start: number): { readonly nanoseconds: bigint; readonly end: number } {
  const wholeEnd = skipDigits(text, start);
  const amountEnd = text[wholeEnd] === "." ? skipDigits(text, wholeEnd + 1) : wholeEnd;
  const whole = text.slice(start, wholeEnd);
  const decimals = text.slice(wholeEnd + 1, amountEnd);
  if (whole === "" && decimals === "") throw badValue("invalid duration");
  let end = amountEnd;
  while (end < text.length && text[end] !== "." && skipDigits(text, end) === end) end++;
  const unit = UNITS.get(text.slice(amountEnd, end));
  if (unit === undefined)
    throw badValue(end === amountEnd ? "missing unit in duration" : "unknown unit in duration");
  const fraction = (BigInt(decimals || "0") * unit) / 10n ** BigInt(decimals.length);
  return { nanoseconds: BigInt(whole || "0") * unit + fraction, end };
}
