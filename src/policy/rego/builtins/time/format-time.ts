import { TextBuffer } from "../../text.ts";
import { type Civil, dayOfYear, MONTHS, WEEKDAYS, weekday } from "./calendar.ts";
import { type Chunk, type Field, readLayout } from "./layout.ts";

/** A moment as a zone's clocks show it. */
export interface LocalTime extends Civil {
  /** Seconds east of UTC. */
  readonly offset: number;
  /** Abbreviation of the zone, made only when a layout asks for it. */
  readonly abbreviation: () => string;
}

/** Writes a time the way Go's `Time.Format` does. @throws BudgetError beyond `maxLength` */
export function formatTime(time: LocalTime, layout: string, maxLength: number): string {
  const out = new TextBuffer(maxLength);
  for (const chunk of readLayout(layout)) out.append(chunkText(chunk, time));
  return out.text;
}

function chunkText(chunk: Chunk, time: LocalTime): string {
  if (chunk.kind === "text") return chunk.text;
  if (chunk.kind === "field") return FORMATS[chunk.field](time);
  const digits = String(time.nanosecond).padStart(9, "0").slice(0, chunk.digits);
  const shown = chunk.trimmed ? withoutTrailingZeros(digits) : digits;
  return shown === "" ? "" : chunk.separator + shown;
}

function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "0") end--;
  return digits.slice(0, end);
}

function two(value: number, fill = "0"): string {
  return String(value).padStart(2, fill);
}

function hour12({ hour }: Civil): number {
  return hour % 12 === 0 ? 12 : hour % 12;
}

function monthName({ month }: Civil): string {
  return MONTHS[month - 1] ?? "";
}

function dayName(time: Civil): string {
  return WEEKDAYS[weekday(time)] ?? "";
}

/** `+0100` with the given separator; minutes and seconds only as far as the layout shows them. */
function offsetText(offset: number, separator: string, parts: number): string {
  const seconds = Math.abs(offset);
  const fields = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const shown = fields.slice(0, parts).map((field) => two(field));
  return (offset < 0 ? "-" : "+") + shown.join(separator);
}

function zuluOr(separator: string, parts: number): (time: LocalTime) => string {
  return ({ offset }) => (offset === 0 ? "Z" : offsetText(offset, separator, parts));
}

const FORMATS: Readonly<Record<Field, (time: LocalTime) => string>> = {
  "2006": ({ year }) => (year < 0 ? `-${String(-year).padStart(4, "0")}` : String(year).padStart(4, "0")),
  "06": ({ year }) => two(((year % 100) + 100) % 100),
  January: monthName,
  Jan: (time) => monthName(time).slice(0, 3),
  "1": ({ month }) => String(month),
  "01": ({ month }) => two(month),
  Monday: dayName,
  Mon: (time) => dayName(time).slice(0, 3),
  "2": ({ day }) => String(day),
  _2: ({ day }) => two(day, " "),
  "02": ({ day }) => two(day),
  __2: (time) => String(dayOfYear(time)).padStart(3, " "),
  "002": (time) => String(dayOfYear(time)).padStart(3, "0"),
  "15": ({ hour }) => two(hour),
  "3": (time) => String(hour12(time)),
  "03": (time) => two(hour12(time)),
  "4": ({ minute }) => String(minute),
  "04": ({ minute }) => two(minute),
  "5": ({ second }) => String(second),
  "05": ({ second }) => two(second),
  PM: ({ hour }) => (hour >= 12 ? "PM" : "AM"),
  pm: ({ hour }) => (hour >= 12 ? "pm" : "am"),
  MST: ({ abbreviation }) => abbreviation(),
  Z0700: zuluOr("", 2),
  Z070000: zuluOr("", 3),
  Z07: zuluOr("", 1),
  "Z07:00": zuluOr(":", 2),
  "Z07:00:00": zuluOr(":", 3),
  "-0700": ({ offset }) => offsetText(offset, "", 2),
  "-070000": ({ offset }) => offsetText(offset, "", 3),
  "-07": ({ offset }) => offsetText(offset, "", 1),
  "-07:00": ({ offset }) => offsetText(offset, ":", 2),
  "-07:00:00": ({ offset }) => offsetText(offset, ":", 3),
};
