import { skipDigits } from "../../numbers.ts";
import { badValue } from "../builtin.ts";
import { daysFromCivil, daysInMonth, MONTHS, secondsFromCivil, WEEKDAYS } from "./calendar.ts";
import { type Chunk, type Field, readLayout } from "./layout.ts";

/**
 * Reads a time the way Go's `time.Parse` does. A zone abbreviation is accepted but means nothing: Go knows no
 * offset for it either.
 *
 * @returns nanoseconds since 1970, of any size
 * @throws BuiltinError when the text does not follow the layout or a field is out of range
 */
export function parseTime(text: string, layout: string): bigint {
  return new TimeParser(text).parse(readLayout(layout));
}

function bad(): Error {
  return badValue("the time does not follow the layout");
}

function outOfRange(what: string): Error {
  return badValue(`parsing time: ${what} out of range`);
}

class TimeParser {
  #rest: string;
  #year = 0;
  #month: number | undefined;
  #day: number | undefined;
  #yearDay: number | undefined;
  #hour = 0;
  #minute = 0;
  #second = 0;
  #nanosecond = 0;
  #half: "AM" | "PM" | undefined;
  #offset = 0;

  constructor(text: string) {
    this.#rest = text;
  }

  parse(chunks: readonly Chunk[]): bigint {
    for (const [at, chunk] of chunks.entries()) {
      if (chunk.kind === "text") this.#skip(chunk.text);
      else if (chunk.kind === "fraction") this.#fraction(chunk.digits, chunk.trimmed);
      else this.#field(chunk.field, chunks[at + 1]?.kind === "fraction");
    }
    if (this.#rest !== "") throw badValue("extra text after the time");
    return this.#result();
  }

  #result(): bigint {
    const [month, day] = this.#date();
    const seconds = secondsFromCivil({
      year: this.#year,
      month,
      day,
      hour: this.#hour24(),
      minute: this.#minute,
      second: this.#second,
      nanosecond: 0,
    });
    return BigInt(seconds - this.#offset) * 1_000_000_000n + BigInt(this.#nanosecond);
  }

  #hour24(): number {
    if (this.#half === "PM" && this.#hour < 12) return this.#hour + 12;
    return this.#half === "AM" && this.#hour === 12 ? 0 : this.#hour;
  }

  #date(): readonly [number, number] {
    const [month, day] =
      this.#yearDay === undefined ? [this.#month ?? 1, this.#day ?? 1] : this.#fromYearDay(this.#yearDay);
    if (day < 1 || day > daysInMonth(this.#year, month)) throw outOfRange("day");
    return [month, day];
  }

  #fromYearDay(yearDay: number): readonly [number, number] {
    const days = daysFromCivil(this.#year + 1, 1, 1) - daysFromCivil(this.#year, 1, 1);
    if (yearDay < 1 || yearDay > days) throw outOfRange("day-of-year");
    let month = 1;
    let day = yearDay;
    for (; day > daysInMonth(this.#year, month); month++) day -= daysInMonth(this.#year, month);
    if ((this.#month ?? month) !== month || (this.#day ?? day) !== day)
      throw badValue("day-of-year does not match the date");
    return [month, day];
  }

  /** Literal text; a run of spaces in the layout stands for any run of spaces. */
  #skip(literal: string): void {
    for (let at = 0; at < literal.length; ) {
      if (literal[at] !== " ") {
        this.#expect(literal.charAt(at));
        at++;
        continue;
      }
      if (this.#rest !== "" && !this.#rest.startsWith(" ")) throw bad();
      while (literal[at] === " ") at++;
      let spaces = 0;
      while (this.#rest[spaces] === " ") spaces++;
      this.#take(spaces);
    }
  }

  #expect(character: string): void {
    if (!this.#rest.startsWith(character)) throw bad();
    this.#take(1);
  }

  #take(length: number): string {
    if (this.#rest.length < length) throw bad();
    const taken = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return taken;
  }

  /** Up to `most` digits and at least `least`. */
  #digits(least: number, most: number): number {
    const count = Math.min(skipDigits(this.#rest.slice(0, most), 0), most);
    if (count < least) throw bad();
    return Number(this.#take(count));
  }

  #bounded(least: number, what: string, low: number, high: number): number {
    const value = this.#digits(least, 2);
    if (value < low || value > high) throw outOfRange(what);
    return value;
  }

  #skipSpace(times: number): void {
    for (let at = 0; at < times && this.#rest.startsWith(" "); at++) this.#take(1);
  }

  #field(field: Field, fractionFollows: boolean): void {
    const read = READERS[field];
    if (read !== undefined) read(this);
    else this.#zone(field);
    if ((field === "5" || field === "05") && !fractionFollows) this.#unannouncedFraction();
  }

  static readonly readers = {
    "2006": (parser: TimeParser) => {
      parser.#year = parser.#digits(4, 4);
    },
    "06": (parser: TimeParser) => {
      const year = parser.#digits(2, 2);
      parser.#year = year >= 69 ? 1900 + year : 2000 + year;
    },
    January: (parser: TimeParser) => {
      parser.#month = parser.#name(MONTHS) + 1;
    },
    Jan: (parser: TimeParser) => {
      parser.#month = parser.#name(MONTHS.map((name) => name.slice(0, 3))) + 1;
    },
    "1": (parser: TimeParser) => {
      parser.#month = parser.#bounded(1, "month", 1, 12);
    },
    "01": (parser: TimeParser) => {
      parser.#month = parser.#bounded(2, "month", 1, 12);
    },
    Monday: (parser: TimeParser) => {
      parser.#name(WEEKDAYS);
    },
    Mon: (parser: TimeParser) => {
      parser.#name(WEEKDAYS.map((name) => name.slice(0, 3)));
    },
    "2": (parser: TimeParser) => {
      parser.#day = parser.#digits(1, 2);
    },
    _2: (parser: TimeParser) => {
      parser.#skipSpace(1);
      parser.#day = parser.#digits(1, 2);
    },
    "02": (parser: TimeParser) => {
      parser.#day = parser.#digits(2, 2);
    },
    __2: (parser: TimeParser) => {
      parser.#skipSpace(2);
      parser.#yearDay = parser.#digits(1, 3);
    },
    "002": (parser: TimeParser) => {
      parser.#yearDay = parser.#digits(3, 3);
    },
    "15": (parser: TimeParser) => {
      parser.#hour = parser.#bounded(1, "hour", 0, 23);
    },
    "3": (parser: TimeParser) => {
      parser.#hour = parser.#bounded(1, "hour", 0, 12);
    },
    "03": (parser: TimeParser) => {
      parser.#hour = parser.#bounded(2, "hour", 0, 12);
    },
    "4": (parser: TimeParser) => {
      parser.#minute = parser.#bounded(1, "minute", 0, 59);
    },
    "04": (parser: TimeParser) => {
      parser.#minute = parser.#bounded(2, "minute", 0, 59);
    },
    "5": (parser: TimeParser) => {
      parser.#second = parser.#bounded(1, "second", 0, 59);
    },
    "05": (parser: TimeParser) => {
      parser.#second = parser.#bounded(2, "second", 0, 59);
    },
    PM: (parser: TimeParser) => parser.#halfDay("AM", "PM"),
    pm: (parser: TimeParser) => parser.#halfDay("am", "pm"),
    MST: (parser: TimeParser) => {
      parser.#take(abbreviationLength(parser.#rest));
    },
  };

  #halfDay(morning: string, afternoon: string): void {
    const half = this.#take(2);
    if (half !== morning && half !== afternoon) throw bad();
    this.#half = half === morning ? "AM" : "PM";
  }

  /** A name, whatever its case. @returns its index */
  #name(names: readonly string[]): number {
    const index = names.findIndex(
      (name) => this.#rest.slice(0, name.length).toLowerCase() === name.toLowerCase(),
    );
    const name = names[index];
    if (name === undefined) throw bad();
    this.#take(name.length);
    return index;
  }

  /** The fraction a layout announces: exactly so many digits, or any number of them or none. */
  #fraction(digits: number, optional: boolean): void {
    const present = isSeparator(this.#rest.charAt(0)) && isDigit(this.#rest.charAt(1));
    if (optional && !present) return;
    const length = optional ? skipDigits(this.#rest, 1) : digits + 1;
    this.#nanoseconds(this.#take(length));
  }

  /** Go takes a fraction behind the seconds even where the layout has none. */
  #unannouncedFraction(): void {
    if (!isSeparator(this.#rest.charAt(0)) || !isDigit(this.#rest.charAt(1))) return;
    this.#nanoseconds(this.#take(skipDigits(this.#rest, 1)));
  }

  #nanoseconds(text: string): void {
    if (!isSeparator(text.charAt(0)) || skipDigits(text, 1) !== text.length) throw bad();
    this.#nanosecond = Number(text.slice(1, 10).padEnd(9, "0"));
  }

  /** A numeric offset, spelled as the field shows; `Z` where the field begins with it. */
  #zone(field: Field): void {
    if (field.startsWith("Z") && this.#rest.startsWith("Z")) {
      this.#take(1);
      return;
    }
    const sign = this.#take(1);
    if (sign !== "+" && sign !== "-") throw bad();
    let seconds = 0;
    let unit = 3600;
    for (const [at, part] of field.slice(1).split(":").entries()) {
      if (at > 0) this.#expect(":");
      for (let pair = 0; pair < part.length; pair += 2) {
        seconds += this.#offsetPart(unit) * unit;
        unit /= 60;
      }
    }
    this.#offset = sign === "-" ? -seconds : seconds;
  }

  #offsetPart(unit: number): number {
    const value = this.#digits(2, 2);
    if (value > (unit === 3600 ? 24 : 60)) throw outOfRange("time zone offset");
    return value;
  }
}

const READERS: Readonly<Partial<Record<Field, (parser: TimeParser) => void>>> = TimeParser.readers;

function isSeparator(character: string): boolean {
  return character === "." || character === ",";
}

function isDigit(character: string): boolean {
  return character >= "0" && character <= "9";
}

/** How long a zone abbreviation at the start of the text is. @throws BuiltinError when there is none */
function abbreviationLength(text: string): number {
  if (text.startsWith("UTC")) return 3;
  if (text.startsWith("ChST") || text.startsWith("MeST")) return 4;
  if (text.startsWith("GMT")) return 3 + signedOffsetLength(text.slice(3));
  const signed = signedOffsetLength(text);
  if (signed > 0) return signed;
  let letters = 0;
  while (letters < 6 && text.charAt(letters) >= "A" && text.charAt(letters) <= "Z") letters++;
  if (letters === 3) return 3;
  const endsInT = text[letters - 1] === "T" || text.startsWith("WITA");
  if ((letters === 4 || letters === 5) && endsInT) return letters;
  throw bad();
}

/** The length of `+3` or `-11`; 0 when there is no such offset. */
function signedOffsetLength(text: string): number {
  if (!text.startsWith("+") && !text.startsWith("-")) return 0;
  const end = skipDigits(text, 1);
  return end > 1 && end < 8 && Number(text.slice(1, end)) <= 23 ? end : 0;
}
