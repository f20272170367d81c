import type { JsonValue } from "./value.ts";

/** Text that is not one acceptable JSON document. The message is public: it says what and where, not the content. */
export class JsonSyntaxError extends Error {
  /** UTF-16 code units (or bytes, when the encoding itself was broken) from the start of the text. */
  readonly position: number;

  constructor(what: string, position: number) {
    super(`${what} at position ${position}`);
    this.name = "JsonSyntaxError";
    this.position = position;
  }
}

export interface JsonLimits {
  /** Deepest nesting of arrays and objects. */
  readonly maxDepth?: number;
  /** Most arrays, objects and members of objects; no limit if absent. They cost much more time than their bytes say. */
  readonly maxParts?: number;
}

/** Parts of a document from somebody who has proved nothing yet: ten times what evidence of many devices has. */
export const MAX_UNTRUSTED_PARTS = 20_000;

const DEFAULT_MAX_DEPTH = 64;
/** Digits a number may have; longer ones carry no meaning here and cost time quadratic in their length. */
const MAX_NUMBER_LENGTH = 400;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads one JSON document (RFC 8259) exactly: integers beyond ±(2^53−1) become `bigint`, a member that occurs
 * twice is refused, and nesting is bounded. `JSON.parse` does none of the three.
 *
 * @throws JsonSyntaxError
 */
export function readJson(source: string | Uint8Array, limits: JsonLimits = {}): JsonValue {
  return new Reader(
    typeof source === "string" ? source : decode(source),
    limits.maxDepth ?? DEFAULT_MAX_DEPTH,
    limits.maxParts ?? Number.POSITIVE_INFINITY,
  ).document();
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new JsonSyntaxError("text that is not UTF-8", 0);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;
  #depth = 0;
  #partsLeft: number;

  constructor(text: string, maxDepth: number, maxParts: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
    this.#partsLeft = maxParts;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) throw this.#fault("text after the document");
    return value;
  }

  #value(): JsonValue {
    this.#space();
    const code = this.#text.charCodeAt(this.#at);
    switch (code) {
      case 0x7b:
        return this.#object();
      case 0x5b:
        return this.#array();
      case QUOTE:
        return this.#string();
      case 0x74:
        return this.#word("true", true);
      case 0x66:
        return this.#word("false", false);
      case 0x6e:
        return this.#word("null", null);
      default:
        if (code === MINUS || (code >= ZERO && code <= NINE)) return this.#number();
        throw this.#fault(Number.isNaN(code) ? "unexpected end" : "unexpected character");
    }
  }

  #object(): JsonValue {
    this.#enter();
    const object: Record<string, JsonValue> = {};
    if (this.#next() === 0x7d) return this.#leave(object);
    for (;;) {
      if (this.#next() !== QUOTE) throw this.#fault("a member name was expected");
      this.#count();
      const start = this.#at;
      const name = this.#string();
      if (Object.hasOwn(object, name)) throw new JsonSyntaxError("a member that occurs twice", start);
      if (this.#next() !== 0x3a) throw this.#fault("':' was expected");
      this.#at++;
      setMember(object, name, this.#value());
      const code = this.#next();
      if (code === 0x7d) return this.#leave(object);
      if (code !== COMMA) throw this.#fault("',' or '}' was expected");
      this.#at++;
    }
  }

  #array(): JsonValue {
    this.#enter();
    const array: JsonValue[] = [];
    if (this.#next() === 0x5d) return this.#leave(array);
    for (;;) {
      array.push(this.#value());
      const code = this.#next();
      if (code === 0x5d) return this.#leave(array);
      if (code !== COMMA) throw this.#fault("',' or ']' was expected");
      this.#at++;
    }
  }

  #string(): string {
    const start = this.#at;
    let escaped = false;
    for (let at = start + 1; ; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return escaped ? this.#unescape(start) : this.#text.slice(start + 1, at);
      }
      if (code === BACKSLASH) {
        escaped = true;
        at++;
      } else if (!(code >= 0x20)) {
        throw new JsonSyntaxError(
          Number.isNaN(code) ? "unterminated string" : "control character in a string",
          at,
        );
      }
    }
  }

  #unescape(start: number): string {
    try {
      // A JSON string literal is the one production where the platform's parser is exact.
      return String(JSON.parse(this.#text.slice(start, this.#at)));
    } catch {
      throw new JsonSyntaxError("a bad escape sequence in a string", start);
    }
  }

  /**
   * The short way for what evidence is full of: arrays of bytes.
   *
   * @returns undefined, having moved nowhere, for any number that is not a plain integer of up to nine digits
   */
  #smallInteger(): number | undefined {
    let value = 0;
    let at = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(at);
      if (code >= ZERO && code <= NINE) value = value * 10 + (code - ZERO);
      else if (code === DOT || (code | 0x20) === 0x65) return undefined;
      else break;
      at++;
    }
    const length = at - this.#at;
    if (length === 0 || length > 9 || (length > 1 && this.#text.charCodeAt(this.#at) === ZERO))
      return undefined;
    this.#at = at;
    return value;
  }

  #number(): number | bigint {
    const small = this.#smallInteger();
    if (small !== undefined) return small;
    const start = this.#at;
    if (this.#text.charCodeAt(this.#at) === MINUS) this.#at++;
    const first = this.#text.charCodeAt(this.#at);
    const digits = this.#digits();
    if (first === ZERO && digits > 1) throw new JsonSyntaxError("a number with a leading zero", start);
    const integer = !this.#fraction();
    const length = this.#at - start;
    if (length > MAX_NUMBER_LENGTH) throw new JsonSyntaxError("a number with too many digits", start);
    const text = this.#text.slice(start, this.#at);
    const value = Number(text);
    if (!Number.isFinite(value)) throw new JsonSyntaxError("a number out of range", start);
    if (integer && length > 15 && !Number.isSafeInteger(value)) return BigInt(text);
    return value === 0 ? 0 : value;
  }

  /** @returns whether there was a fraction or an exponent */
  #fraction(): boolean {
    const start = this.#at;
    if (this.#text.charCodeAt(this.#at) === DOT) {
      this.#at++;
      this.#digits();
    }
    if ((this.#text.charCodeAt(this.#at) | 0x20) === 0x65) {
      this.#at++;
      const sign = this.#text.charCodeAt(this.#at);
      if (sign === 0x2b || sign === MINUS) this.#at++;
      this.#digits();
    }
    return this.#at > start;
  }

  #digits(): number {
    const start = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (!(code >= ZERO && code <= NINE)) break;
      this.#at++;
    }
    if (this.#at === start) throw this.#fault("a digit was expected");
    return this.#at - start;
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault("unexpected character");
    this.#at += word.length;
    return value;
  }

  #next(): number {
    this.#space();
    return this.#text.charCodeAt(this.#at);
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #count(): void {
    this.#partsLeft--;
    if (this.#partsLeft < 0) throw this.#fault("more arrays, objects and members than are read");
  }

  #enter(): void {
    this.#count();
    this.#depth++;
    if (this.#depth > this.#maxDepth) throw this.#fault(`nesting deeper than ${this.#maxDepth} levels`);
    this.#at++;
  }

  #leave<T>(value: T): T {
    this.#depth--;
    this.#at++;
    return value;
  }

  #fault(what: string): JsonSyntaxError {
    return new JsonSyntaxError(what, this.#at);
  }
}

function setMember(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  // Plain assignment to this one name would set the prototype instead of a member.
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}
