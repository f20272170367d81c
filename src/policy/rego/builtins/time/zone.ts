import { badValue } from "../builtin.ts";
import { secondsFromCivil } from "./calendar.ts";

/** What the clocks of a time zone show. */
export interface Zone {
  /** Seconds east of UTC at a time in seconds since 1970. */
  offset(seconds: number): number;
  /** Abbreviation in use then, such as `CET`; a zone without one has its offset, as in `+0545`. */
  abbreviation(seconds: number): string;
}

export const UTC: Zone = { offset: () => 0, abbreviation: () => "UTC" };

/** Zones kept ready. The names come from policies, so the number is bounded. */
const MAX_ZONES = 64;
const ZONES = new Map<string, Zone>();

/**
 * A zone of the IANA database. `Local` is refused: an answer must not depend on where the broker runs.
 *
 * @throws BuiltinError for an unknown name
 */
export function zone(name: string): Zone {
  if (name === "" || name === "UTC") return UTC;
  const known = ZONES.get(name);
  if (known !== undefined) return known;
  const found = new IntlZone(name);
  if (ZONES.size >= MAX_ZONES) ZONES.clear();
  ZONES.set(name, found);
  return found;
}

/** English locales in the order in which they are asked for an abbreviation; each knows its own region's. */
const LOCALES = ["en-US", "en-GB", "en-AU", "en-NZ", "en-IN", "en-ZA"];

class IntlZone implements Zone {
  readonly #name: string;
  readonly #clock: Intl.DateTimeFormat;
  /** By offset; a zone has had a handful of them. */
  readonly #abbreviations = new Map<number, string>();

  constructor(name: string) {
    this.#name = name;
    this.#clock = clockOf(name);
  }

  offset(seconds: number): number {
    const fields = new Map<string, number>();
    for (const { type, value } of this.#clock.formatToParts(seconds * 1000)) fields.set(type, Number(value));
    const field = (name: string) => fields.get(name) ?? 0;
    const local = secondsFromCivil({
      year: field("year"),
      month: field("month"),
      day: field("day"),
      hour: field("hour"),
      minute: field("minute"),
      second: field("second"),
      nanosecond: 0,
    });
    return local - seconds;
  }

  abbreviation(seconds: number): string {
    const offset = this.offset(seconds);
    const known = this.#abbreviations.get(offset);
    if (known !== undefined) return known;
    const name = this.#findAbbreviation(seconds, offset);
    this.#abbreviations.set(offset, name);
    return name;
  }

  #findAbbreviation(seconds: number, offset: number): string {
    // The platform names the present only; a time in the past borrows the name of the same offset.
    const times = [seconds, ...REFERENCE_TIMES].filter(
      (time) => time === seconds || this.offset(time) === offset,
    );
    for (const time of times)
      for (const locale of LOCALES) {
        const name = this.#shortName(locale, time);
        if (isAbbreviation(name)) return name;
      }
    return offsetName(offset);
  }

  #shortName(locale: string, seconds: number): string {
    const format = new Intl.DateTimeFormat(locale, { timeZone: this.#name, timeZoneName: "short" });
    return format.formatToParts(seconds * 1000).find(({ type }) => type === "timeZoneName")?.value ?? "";
  }
}

/** One moment in winter and one in summer: 15 January and 15 July 2024. */
const REFERENCE_TIMES = [1_705_276_800, 1_721_001_600];

function clockOf(name: string): Intl.DateTimeFormat {
  const first = name.charAt(0);
  if (
    !((first >= "A" && first <= "Z") || (first >= "a" && first <= "z")) ||
    name === "Local" ||
    name.length > 64
  )
    throw badValue("unknown time zone");
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "iso8601",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
  } catch {
    throw badValue("unknown time zone");
  }
}

/** Letters only: `GMT+1` means that the locale has no abbreviation. */
function isAbbreviation(name: string): boolean {
  return name !== "" && [...name].every((letter) => letter >= "A" && letter <= "Z");
}

function offsetName(offset: number): string {
  const minutes = Math.abs(Math.trunc(offset / 60));
  const hours = String(Math.floor(minutes / 60)).padStart(2, "0");
  const rest = minutes % 60 === 0 ? "" : String(minutes % 60).padStart(2, "0");
  return `${offset < 0 ? "-" : "+"}${hours}${rest}`;
}
