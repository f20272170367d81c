import { type Location, RegoParseError } from "../errors.ts";
import type { Token } from "../lexer.ts";

/** Nodes of one module's tree. */
const MAX_NODES = 200_000;
/**
 * Nested terms, two units for each pair of brackets, so 256 levels of them. Later passes recurse over the tree:
 * this bound protects their stack too.
 */
const MAX_TERM_DEPTH = 512;
/** Nested bodies: comprehensions, `every`, blocks. */
const MAX_BODY_DEPTH = 64;

const ALWAYS_RESERVED: ReadonlySet<string> = new Set(
  "package import as default else not some with null true false".split(" "),
);

/** Words that further imports turn into keywords; the first four always are in v1. */
export type FutureKeyword = "if" | "contains" | "in" | "every" | "not" | "and" | "or";

/** A place in the token list, with the helpers every part of the parser needs. */
export class Cursor {
  readonly file: string;
  readonly tokens: readonly Token[];
  readonly keywords: Set<FutureKeyword>;
  #index = 0;
  #nodes = 0;
  #termDepth = 0;
  #bodyDepth = 0;

  constructor(file: string, tokens: readonly Token[], keywords: Set<FutureKeyword>) {
    this.file = file;
    this.tokens = tokens;
    this.keywords = keywords;
  }

  get token(): Token {
    return this.#at(this.#index);
  }

  get atEnd(): boolean {
    return this.token.kind === "eof";
  }

  get following(): Token {
    return this.#at(this.#index + 1);
  }

  get previous(): Token {
    return this.#at(Math.max(0, this.#index - 1));
  }

  /** The list always ends in `eof`, which stands for everything behind it. */
  #at(index: number): Token {
    const token = this.tokens[Math.min(index, this.tokens.length - 1)];
    if (token === undefined) throw new Error("token list without an end");
    return token;
  }

  save(): number {
    return this.#index;
  }

  restore(index: number): void {
    this.#index = index;
  }

  next(): Token {
    const token = this.token;
    this.#index += 1;
    return token;
  }

  isOp(text: string): boolean {
    return this.token.kind === "op" && this.token.text === text;
  }

  takeOp(text: string): boolean {
    if (!this.isOp(text)) return false;
    this.#index += 1;
    return true;
  }

  expectOp(text: string, detail?: string): Token {
    if (!this.isOp(text)) throw this.unexpected(this.token, detail ?? `expected ${text}`);
    return this.next();
  }

  /** Whether the token is this word, used as a keyword: a word directly before `.` or `[` starts a reference. */
  isWord(word: string): boolean {
    return this.token.kind === "ident" && this.token.text === word && !this.startsReference();
  }

  isKeyword(word: FutureKeyword): boolean {
    return this.keywords.has(word) && this.isWord(word);
  }

  /** Whether a step of a reference follows the current token without a space. */
  startsReference(): boolean {
    const after = this.following;
    return after.kind === "op" && !after.spaced && (after.text === "." || after.text === "[");
  }

  isReserved(name: string): boolean {
    return ALWAYS_RESERVED.has(name) || (this.keywords as ReadonlySet<string>).has(name);
  }

  /** The place from `from` to the last token read. */
  span(from: Token | Location): Location {
    this.#nodes += 1;
    const last = this.previous;
    if (this.#nodes > MAX_NODES) throw this.fault(this.previous, "policy text has too many nodes");
    return { file: this.file, row: from.row, col: from.col, endRow: last.endRow, endCol: last.endCol };
  }

  fault(at: Token | Location, message: string): RegoParseError {
    const { row, col, endRow, endCol } = at;
    return new RegoParseError(message, { file: this.file, row, col, endRow, endCol });
  }

  unexpected(token: Token, detail?: string): RegoParseError {
    if (token.kind === "illegal") return this.fault(token, token.text);
    return this.fault(
      token,
      `unexpected ${this.#describe(token)}${detail === undefined ? "" : `: ${detail}`}`,
    );
  }

  #describe(token: Token): string {
    switch (token.kind) {
      case "ident":
        return this.isReserved(token.text) ? `${token.text} keyword` : "identifier token";
      case "op":
        return token.text === ":=" ? "assign token" : `${token.text} token`;
      case "eof":
        return "eof token";
      default:
        return `${token.kind} token`;
    }
  }

  /** Runs `parse` one level of terms deeper. */
  deeper<T>(parse: () => T): T {
    this.#termDepth += 1;
    if (this.#termDepth > MAX_TERM_DEPTH) throw this.fault(this.token, "terms are nested too deeply");
    const result = parse();
    this.#termDepth -= 1;
    return result;
  }

  /** A chain of operators is as deep a tree as nested brackets are. */
  checkChain(length: number): void {
    if (this.#termDepth + length > MAX_TERM_DEPTH)
      throw this.fault(this.token, "terms are nested too deeply");
  }

  deeperBody<T>(parse: () => T): T {
    this.#bodyDepth += 1;
    if (this.#bodyDepth > MAX_BODY_DEPTH) throw this.fault(this.token, "bodies are nested too deeply");
    const result = parse();
    this.#bodyDepth -= 1;
    return result;
  }

  /** After a fault the parser goes on at the next rule, outside everything it was in. */
  resetDepth(): void {
    this.#termDepth = 0;
    this.#bodyDepth = 0;
  }

  depths(): readonly [number, number] {
    return [this.#termDepth, this.#bodyDepth];
  }

  restoreDepths(depths: readonly [number, number]): void {
    [this.#termDepth, this.#bodyDepth] = depths;
  }
}
