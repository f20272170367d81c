import { toWellFormed } from "./bytes.ts";
import { BudgetError } from "./errors.ts";
import { type Num, parseNumber, skipDigits } from "./numbers.ts";
import { MAX_VALUE_DEPTH } from "./shape.ts";

/** Text that is not one JSON document. The message says what and where, not the content. */
export class JsonTextError extends Error {
  override readonly name = "JsonTextError";
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Reads one JSON document (RFC 8259) into plain JS values without losing digits. The platform's parser rounds
 * integers above 2^53, and nanosecond times and 64-bit counters are above it.
 */
export class JsonReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** @throws JsonTextError, BudgetError (nesting, digits) */
  document(): unknown {
    const value = this.#value();
    if (this.#peek() !== "") throw this.#fault("text after the document");
    return value;
  }

  #value(): unknown {
    switch (this.#peek()) {
      case "{":
        return this.#nested(() => this.#object());
      case "[":
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #nested(read: () => unknown): unknown {
    if (this.#depth >= MAX_VALUE_DEPTH) throw new BudgetError("valueDepth");
    this.#depth++;
    this.#at++;
    const value = read();
    this.#depth--;
    this.#at++;
    return value;
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    if (this.#peek() === "}") return object;
    for (;;) {
      if (this.#peek() !== '"') throw this.#fault("a member name was expected");
      const name = this.#string();
      if (this.#peek() !== ":") throw this.#fault("':' was expected");
      this.#at++;
      // Defined, not assigned: a member called `__proto__` is data.
      const value = this.#value();
      if (name === "__proto__") define(object, name, value);
      else object[name] = value;
      if (this.#peek() === "}") return object;
      if (this.#peek() !== ",") throw this.#fault("',' or '}' was expected");
      this.#at++;
    }
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    if (this.#peek() === "]") return array;
    for (;;) {
      array.push(this.#value());
      if (this.#peek() === "]") return array;
      if (this.#peek() !== ",") throw this.#fault("',' or ']' was expected");
      this.#at++;
    }
  }

  #string(): string {
    const start = this.#at;
    for (let at = start + 1; at < this.#text.length; at++) {
      const unit = this.#text.charCodeAt(at);
      if (unit === QUOTE) {
        this.#at = at + 1;
        return this.#unescape(start);
      }
      if (unit === BACKSLASH) at++;
      else if (unit < 0x20) throw this.#fault("control character in a string");
    }
    throw this.#fault("unterminated string");
  }

  #unescape(start: number): string {
    const literal = this.#text.slice(start, this.#at);
    if (!literal.includes("\\")) return literal.slice(1, -1);
    try {
      // A JSON string literal is the one production where the platform's parser is exact.
      return toWellFormed(String(JSON.parse(literal)));
    } catch {
      throw this.#fault("a bad escape sequence in a string");
    }
  }

  #number(): Num {
    const start = this.#at;
    const first = this.#text[start] === "-" ? start + 1 : start;
    if (this.#text[first] === "0" && skipDigits(this.#text, first) > first + 1)
      throw this.#fault("a number with a leading zero");
    if (skipDigits(this.#text, first) === first) throw this.#fault("a value was expected");
    let end = start;
    while (end < this.#text.length && "+-.0123456789Ee".includes(this.#text.charAt(end))) end++;
    const value = parseNumber(this.#text.slice(start, end));
    if (value === undefined) throw this.#fault("a malformed number");
    this.#at = end;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault("a value was expected");
    this.#at += word.length;
    return value;
  }

  /** The next character that is not white space; empty at the end. */
  #peek(): string {
    while (" \n\r\t".includes(this.#text.charAt(this.#at)) && this.#at < this.#text.length) this.#at++;
    return this.#text.charAt(this.#at);
  }

  #fault(what: string): JsonTextError {
    return new JsonTextError(`${what} at position ${this.#at}`);
  }
}

function define(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
