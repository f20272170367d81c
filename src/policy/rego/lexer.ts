import type { Comment } from "./ast.ts";
import { type Location, RegoParseError } from "./errors.ts";
import { endOfTemplate } from "./template-scan.ts";

export type TokenKind =
  | "ident"
  | "number"
  | "string"
  | "rawString"
  | "template"
  | "rawTemplate"
  | "op"
  | "illegal"
  | "eof";

export interface Token {
  readonly kind: TokenKind;
  /** The text of identifiers, operators and numbers; the decoded value of strings; the fault of illegal ones. */
  readonly text: string;
  readonly row: number;
  readonly col: number;
  readonly endRow: number;
  readonly endCol: number;
  /** White space, a comment or a newline stands before it. */
  readonly spaced: boolean;
  /** Offset of the first UTF-16 unit in the text, for error messages and templates. */
  readonly start: number;
  readonly end: number;
}

/** More tokens than this are no policy but an attack. */
export const MAX_TOKENS = 200_000;
const OPERATORS_2 = new Set([":=", "==", "!=", "<=", ">="]);
const OPERATORS_1 = new Set([..."[]{}(),:;.=<>+-*/%&|"]);
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

export interface Lexed {
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
}

/** Splits policy text into tokens. Faults become `illegal` tokens, which the parser reports where they matter. */
export function lex(file: string, text: string, startRow = 1, startCol = 1): Lexed {
  return new Lexer(file, text, startRow, startCol).run();
}

class Lexer {
  readonly #file: string;
  readonly #text: string;
  readonly #tokens: Token[] = [];
  readonly #comments: Comment[] = [];
  #pos = 0;
  #row: number;
  #col: number;
  #spaced = true;
  #lineHasToken = false;

  constructor(file: string, text: string, row: number, col: number) {
    this.#file = file;
    this.#text = text;
    this.#row = row;
    this.#col = col;
    if (text.startsWith("\uFEFF")) this.#pos = 1;
  }

  run(): Lexed {
    for (;;) {
      this.#skipSpace();
      if (this.#pos >= this.#text.length) break;
      if (this.#tokens.length >= MAX_TOKENS)
        throw new RegoParseError("policy text has too many tokens", this.#here());
      this.#next();
      this.#spaced = false;
      this.#lineHasToken = true;
    }
    this.#push("eof", "", this.#row, this.#col, this.#pos);
    return { tokens: this.#tokens, comments: this.#comments };
  }

  #here(): Location {
    return { file: this.#file, row: this.#row, col: this.#col, endRow: this.#row, endCol: this.#col };
  }

  #skipSpace(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#pos);
      if (c === 10) {
        this.#newline();
      } else if (c === 32 || c === 9 || c === 13) {
        this.#pos += 1;
        this.#col += 1;
      } else if (c === 35) {
        this.#comment();
      } else return;
      this.#spaced = true;
    }
  }

  #newline(): void {
    this.#pos += 1;
    this.#row += 1;
    this.#col = 1;
    this.#lineHasToken = false;
  }

  #comment(): void {
    let end = this.#text.indexOf("\n", this.#pos);
    if (end < 0) end = this.#text.length;
    const text = this.#text.slice(this.#pos + 1, end).replace(/\r$/, "");
    this.#comments.push({ text, row: this.#row, col: this.#col, ownLine: !this.#lineHasToken });
    this.#pos = end;
  }

  #push(kind: TokenKind, text: string, row: number, col: number, start: number): void {
    this.#tokens.push({
      kind,
      text,
      row,
      col,
      endRow: this.#row,
      endCol: this.#col,
      spaced: this.#spaced,
      start,
      end: this.#pos,
    });
  }

  #advance(units: number): void {
    this.#pos += units;
    this.#col += units;
  }

  #next(): void {
    const c = this.#text.charCodeAt(this.#pos);
    if (isLetter(c)) {
      this.#identifier();
      return;
    }
    if (isDigit(c) || (c === 46 && isDigit(this.#text.charCodeAt(this.#pos + 1)) && this.#numberMayStart())) {
      this.#number();
      return;
    }
    if (c === 34) {
      this.#string();
      return;
    }
    if (c === 96) {
      this.#rawString();
      return;
    }
    if (c === 36) {
      this.#template();
      return;
    }
    this.#operator();
    return;
  }

  /** `.5` is a number, but in `x.5` the dot is a step of a reference. */
  #numberMayStart(): boolean {
    const last = this.#tokens.at(-1);
    if (last === undefined || this.#spaced) return true;
    return last.kind === "op" && last.text !== "]" && last.text !== ")" && last.text !== "}";
  }

  #identifier(): void {
    const { row, col, start } = this.#mark();
    let end = start + 1;
    while (isLetter(this.#text.charCodeAt(end)) || isDigit(this.#text.charCodeAt(end))) end += 1;
    this.#advance(end - start);
    this.#push("ident", this.#text.slice(start, end), row, col, start);
  }

  #mark(): { row: number; col: number; start: number } {
    return { row: this.#row, col: this.#col, start: this.#pos };
  }

  #digits(from: number): number {
    let at = from;
    while (isDigit(this.#text.charCodeAt(at))) at += 1;
    return at;
  }

  #number(): void {
    const { row, col, start } = this.#mark();
    const whole = this.#digits(start);
    let end = whole;
    let fault = whole - start > 1 && this.#text[start] === "0" ? "expected number without leading zero" : "";
    if (this.#text[end] === ".") {
      const after = this.#digits(end + 1);
      if (after === end + 1) fault ||= "expected fraction";
      end = after;
    }
    if (this.#text[end] === "e" || this.#text[end] === "E") {
      const sign = this.#text[end + 1] === "+" || this.#text[end + 1] === "-" ? 2 : 1;
      const after = this.#digits(end + sign);
      if (after === end + sign) fault ||= "expected exponent";
      end = after;
    }
    if (isLetter(this.#text.charCodeAt(end))) fault ||= "illegal number format";
    this.#advance(end - start);
    const text = this.#text.slice(start, end);
    if (fault === "") this.#push("number", text, row, col, start);
    else this.#push("illegal", `unexpected number token: ${fault}`, row, col, start);
  }

  #string(): void {
    const { row, col, start } = this.#mark();
    this.#advance(1);
    let out = "";
    let fault = "";
    for (;;) {
      const c = this.#text[this.#pos];
      if (c === undefined || c === "\n") {
        fault = "non-terminated string";
        break;
      }
      if (c === '"') {
        this.#advance(1);
        break;
      }
      if (c === "\\") {
        const escaped = this.#escape();
        if (escaped === undefined) fault ||= "illegal escape sequence";
        else out += escaped;
      } else {
        if (c < " ") fault ||= "illegal control character in string";
        out += this.#codePoint();
      }
    }
    if (fault === "") this.#push("string", wellFormed(out), row, col, start);
    else this.#push("illegal", fault, row, col, start);
  }

  #codePoint(): string {
    const units = this.#text.codePointAt(this.#pos) ?? 0;
    const width = units > 0xffff ? 2 : 1;
    const text = this.#text.slice(this.#pos, this.#pos + width);
    this.#pos += width;
    this.#col += 1;
    return text;
  }

  #escape(): string | undefined {
    const name = this.#text[this.#pos + 1];
    if (name === "u") {
      const digits = this.#text.slice(this.#pos + 2, this.#pos + 6);
      this.#advance(2);
      if (!isFourHexDigits(digits)) return undefined;
      this.#advance(4);
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    if (name === undefined || name === "\n") {
      this.#advance(1);
      return undefined;
    }
    this.#advance(2);
    return Object.hasOwn(SIMPLE_ESCAPES, name) ? SIMPLE_ESCAPES[name] : undefined;
  }

  #rawString(): void {
    const { row, col, start } = this.#mark();
    this.#advance(1);
    const from = this.#pos;
    for (;;) {
      const c = this.#text[this.#pos];
      if (c === undefined) {
        this.#push("illegal", "non-terminated string", row, col, start);
        return;
      }
      if (c === "`") break;
      if (c === "\n") this.#newline();
      else this.#codePoint();
    }
    const text = this.#text.slice(from, this.#pos);
    this.#advance(1);
    this.#push("rawString", text, row, col, start);
  }

  /** `$"…{expr}…"` is kept as written; the parser splits it, because the expressions need the parser. */
  #template(): void {
    const quote = this.#text[this.#pos + 1];
    if (quote !== '"' && quote !== "`") {
      this.#operator();
      return;
    }
    const { row, col, start } = this.#mark();
    const end = endOfTemplate(this.#text, start + 1);
    while (this.#pos < (end < 0 ? start + 2 : end)) {
      if (this.#text[this.#pos] === "\n") this.#newline();
      else this.#codePoint();
    }
    if (end < 0) this.#push("illegal", "non-terminated string", row, col, start);
    else
      this.#push(
        quote === "`" ? "rawTemplate" : "template",
        this.#text.slice(start + 2, end - 1),
        row,
        col,
        start,
      );
  }

  #operator(): void {
    const { row, col, start } = this.#mark();
    const two = this.#text.slice(start, start + 2);
    if (OPERATORS_2.has(two)) {
      this.#advance(2);
      this.#push("op", two, row, col, start);
      return;
    }
    const one = this.#codePoint();
    if (OPERATORS_1.has(one)) {
      this.#push("op", one, row, col, start);
      return;
    }
    const fault = one === "!" ? "illegal ! character" : "illegal token";
    this.#push("illegal", fault, row, col, start);
  }
}

export function isLetter(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95;
}

export function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

function isFourHexDigits(text: string): boolean {
  return text.length === 4 && [...text].every((c) => "0123456789abcdefABCDEF".includes(c));
}

/** Replaces unpaired surrogates, which have no UTF-8 form, by U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}
