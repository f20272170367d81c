/** Go's reference layouts, in which the moment 2006-01-02 15:04:05 -0700 shows how each field is written. */

/** What a field of a layout stands for, named after how the layout spells it. */
export type Field =
  | "2006"
  | "06"
  | "January"
  | "Jan"
  | "1"
  | "01"
  | "Monday"
  | "Mon"
  | "2"
  | "_2"
  | "02"
  | "__2"
  | "002"
  | "15"
  | "3"
  | "03"
  | "4"
  | "04"
  | "5"
  | "05"
  | "PM"
  | "pm"
  | "MST"
  | "Z0700"
  | "Z070000"
  | "Z07"
  | "Z07:00"
  | "Z07:00:00"
  | "-0700"
  | "-070000"
  | "-07"
  | "-07:00"
  | "-07:00:00";

/** Literal text, a field, or a fraction of a second. */
export type Chunk =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "field"; readonly field: Field }
  | {
      readonly kind: "fraction";
      readonly separator: string;
      readonly digits: number;
      readonly trimmed: boolean;
    };

/** Longest spellings first, so that `2006` is not read as `2`. */
const FIELDS: readonly Field[] = [
  "January",
  "Monday",
  "Z07:00:00",
  "-07:00:00",
  "Z070000",
  "-070000",
  "Z07:00",
  "-07:00",
  "Z0700",
  "-0700",
  "2006",
  "MST",
  "Jan",
  "Mon",
  "002",
  "__2",
  "Z07",
  "-07",
  "01",
  "02",
  "03",
  "04",
  "05",
  "06",
  "15",
  "_2",
  "PM",
  "pm",
  "1",
  "2",
  "3",
  "4",
  "5",
];

/** Names that `time.parse_ns` and `time.format` accept in place of a layout. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ["ANSIC", "Mon Jan _2 15:04:05 2006"],
  ["UnixDate", "Mon Jan _2 15:04:05 MST 2006"],
  ["RubyDate", "Mon Jan 02 15:04:05 -0700 2006"],
  ["RFC822", "02 Jan 06 15:04 MST"],
  ["RFC822Z", "02 Jan 06 15:04 -0700"],
  ["RFC850", "Monday, 02-Jan-06 15:04:05 MST"],
  ["RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"],
  ["RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"],
  ["RFC3339", "2006-01-02T15:04:05Z07:00"],
  ["RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"],
]);

/** The chunks of a layout or of the layout that a name stands for. */
export function readLayout(layout: string): readonly Chunk[] {
  const text = NAMED.get(layout) ?? layout;
  const chunks: Chunk[] = [];
  let literal = "";
  for (let at = 0; at < text.length; ) {
    const next = chunkAt(text, at);
    if (next === undefined) {
      literal += text.charAt(at);
      at++;
      continue;
    }
    if (literal !== "") chunks.push({ kind: "text", text: literal });
    literal = "";
    chunks.push(next.chunk);
    at += next.length;
  }
  if (literal !== "") chunks.push({ kind: "text", text: literal });
  return chunks;
}

function chunkAt(text: string, at: number): { readonly chunk: Chunk; readonly length: number } | undefined {
  const fraction = fractionAt(text, at);
  if (fraction !== undefined) return fraction;
  const field = FIELDS.find((candidate) => text.startsWith(candidate, at) && isWhole(text, at, candidate));
  return field === undefined ? undefined : { chunk: { kind: "field", field }, length: field.length };
}

/** `Janet` and `Monster` hold no field, and in `_2006` the underscore is text. */
function isWhole(text: string, at: number, field: Field): boolean {
  const next = text.charAt(at + field.length);
  if (field === "Jan" || field === "Mon") return !(next >= "a" && next <= "z");
  return field !== "_2" || !text.startsWith("006", at + 2);
}

/** `.000` or `,999`: the digits must be alike and end there. */
function fractionAt(
  text: string,
  at: number,
): { readonly chunk: Chunk; readonly length: number } | undefined {
  const separator = text.charAt(at);
  const digit = text.charAt(at + 1);
  if ((separator !== "." && separator !== ",") || (digit !== "0" && digit !== "9")) return undefined;
  let end = at + 1;
  while (text[end] === digit) end++;
  const next = text.charAt(end);
  if (next >= "0" && next <= "9") return undefined;
  const digits = end - at - 1;
  return { chunk: { kind: "fraction", separator, digits, trimmed: digit === "9" }, length: digits + 1 };
}
