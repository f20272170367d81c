/**
 * Lays policy text out in one way: a tab for each level, one space around operators, one empty line between rules
 * of several lines. Line breaks and comments stay where their author put them, so nothing is ever lost or moved;
 * that the meaning is the same is checked on every text.
 */
import type { Comment, Dialect, Module } from "./ast.ts";
import type { RegoParseError } from "./errors.ts";
import { lex, type Token } from "./lexer.ts";
import { parseModule } from "./parser/index.ts";

export type FormatResult =
  | { readonly text: string }
  /** Text that is no policy is left alone. */
  | { readonly errors: readonly RegoParseError[] };

/** Formats one module. Never throws on any text. */
export function formatModule(file: string, text: string, dialect: Dialect = "v1"): FormatResult {
  const before = parseModule(text, { file, dialect });
  if (before.module === undefined) return { errors: before.errors };
  const { tokens, comments } = lex(file, text);
  const formatted = new Layout(text, tokens, comments).run();
  const after = parseModule(formatted, { file, dialect });
  // Should a layout ever change a meaning, the author's own text is the better one.
  const same = after.module !== undefined && meaningOf(after.module) === meaningOf(before.module);
  return { text: same ? formatted : text };
}

/** Everything of a module that is not about places, as text to compare. */
export function meaningOf({ packagePath, imports, rules }: Module): string {
  return JSON.stringify([packagePath, imports, rules], (name, value: unknown) => {
    if (name === "loc") return undefined;
    return typeof value === "bigint" ? `bigint ${value}` : value;
  });
}

const OPEN: ReadonlySet<string> = new Set(["(", "[", "{"]);
const CLOSE: ReadonlySet<string> = new Set([")", "]", "}"]);
const BINARY: ReadonlySet<string> = new Set([
  ...["+", "-", "*", "/", "%", "&", "|", "==", "!=", "<", "<=", ">", ">=", ":=", "="],
]);
const NOT_VALUES: ReadonlySet<string> = new Set([
  ...["package", "import", "as", "default", "else", "not", "some", "with", "if", "in", "every", "contains"],
]);
/** A line that begins or ends with one of these belongs to the line before or after it. */
const JOINING_WORDS: ReadonlySet<string> = new Set(["with", "in", "as"]);

interface Line {
  readonly tokens: readonly Token[];
  readonly comment: Comment | undefined;
  /** Rows of the source that the line came from. */
  readonly row: number;
  readonly endRow: number;
}

interface Bracket {
  /** Levels of the line it was opened on. */
  readonly level: number;
  readonly inner: string;
}

class Layout {
  readonly #source: string;
  readonly #lines: readonly Line[];
  readonly #brackets: Bracket[] = [];
  #out = "";

  constructor(source: string, tokens: readonly Token[], comments: readonly Comment[]) {
    this.#source = source;
    this.#lines = linesOf(tokens, comments);
  }

  run(): string {
    for (const [at, line] of this.#lines.entries()) {
      const before = this.#lines[at - 1];
      if (before !== undefined && this.#wantsGap(before, line)) this.#out += "\n";
      const level = this.#level(line, before);
      this.#out += `${"\t".repeat(level)}${this.#text(line, level)}\n`;
    }
    return this.#out;
  }

  #wantsGap(before: Line, line: Line): boolean {
    const first = line.tokens[0];
    const last = before.tokens.at(-1);
    if (isOneOf(last, OPEN) && before.comment === undefined) return false;
    if (isOneOf(first, CLOSE)) return false;
    if (line.row > before.endRow + 1) return true;
    if (this.#brackets.length > 0) return false;
    const begin = before.tokens[0];
    if (isWord(begin, "package")) return true;
    if (isWord(begin, "import")) return first !== undefined && !isWord(first, "import");
    return (
      last?.text === "}" && isOneOf(begin, CLOSE) && !isWord(first, "else") && !isContinued(line, before)
    );
  }

  #level(line: Line, before: Line | undefined): number {
    const closers = leadingClosers(line.tokens);
    if (closers > 0) return this.#brackets.at(-closers)?.level ?? 0;
    const innermost = this.#brackets.at(-1);
    const level = innermost === undefined ? 0 : innermost.level + 1;
    return before !== undefined && isContinued(line, before) ? level + 1 : level;
  }

  #text({ tokens, comment }: Line, level: number): string {
    let text = "";
    for (const [at, token] of tokens.entries()) {
      text += this.#gap(tokens[at - 2], tokens[at - 1], token);
      this.#follow(token, tokens[at + 1], level);
      text += this.#source.slice(token.start, token.end);
    }
    if (comment === undefined) return text;
    return `${text === "" ? "" : `${text} `}#${comment.text.trimEnd()}`;
  }

  #follow(token: Token, next: Token | undefined, level: number): void {
    if (isOneOf(token, CLOSE)) this.#brackets.pop();
    if (!isOneOf(token, OPEN)) return;
    const inner = token.text === "{" && next?.spaced === true && next.text !== "}" ? " " : "";
    this.#brackets.push({ level, inner });
  }

  /** What stands between two tokens of a line. */
  #gap(earlier: Token | undefined, before: Token | undefined, token: Token): string {
    if (before === undefined) return "";
    if (isOp(token, ".") || isOp(before, ".")) return "";
    if (isOp(token, ",") || isOp(token, ";") || isOp(token, ":")) return "";
    if (isOp(before, ",") || isOp(before, ";") || isOp(before, ":")) return " ";
    if (isOneOf(token, CLOSE)) return isOneOf(before, OPEN) ? "" : (this.#brackets.at(-1)?.inner ?? "");
    if (isOneOf(before, OPEN)) return this.#brackets.at(-1)?.inner ?? "";
    if (isOp(before, "-") && !isValueEnd(earlier)) return "";
    // Before a bracket the space decides whether it is a call, a step of a reference, or something of its own.
    if ((isOp(token, "(") || isOp(token, "[")) && isValueLike(before)) return token.spaced ? " " : "";
    return " ";
  }
}

function isContinued(line: Line, before: Line): boolean {
  const first = line.tokens[0];
  const last = before.tokens.at(-1);
  if (first === undefined || last === undefined) return false;
  if (isOneOf(first, BINARY) || (first.kind === "ident" && JOINING_WORDS.has(first.text))) return true;
  // A bar at the end of a line begins the body of a comprehension; unions are rarely broken there.
  if (isOp(last, "|")) return false;
  return (
    isOneOf(last, BINARY) || (last.kind === "ident" && (JOINING_WORDS.has(last.text) || last.text === "if"))
  );
}

function leadingClosers(tokens: readonly Token[]): number {
  const other = tokens.findIndex((token) => !isOneOf(token, CLOSE));
  return other === -1 ? tokens.length : other;
}

function isOp(token: Token | undefined, text: string): boolean {
  return token?.kind === "op" && token.text === text;
}

function isOneOf(token: Token | undefined, texts: ReadonlySet<string>): boolean {
  return token?.kind === "op" && texts.has(token.text);
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === "ident" && token.text === text;
}

function isValueLike(token: Token): boolean {
  return token.kind !== "op" || CLOSE.has(token.text);
}

/** Whether a minus sign behind it is one between two operands. */
function isValueEnd(token: Token | undefined): boolean {
  if (token === undefined) return false;
  return isValueLike(token) && !(token.kind === "ident" && NOT_VALUES.has(token.text));
}

/** Lines as the source has them; what follows text of several lines stays on its last line. */
function linesOf(tokens: readonly Token[], comments: readonly Comment[]): readonly Line[] {
  const lines: { tokens: Token[]; comment: Comment | undefined; row: number; endRow: number }[] = [];
  const left = [...comments];
  const takeComments = (row: number): void => {
    for (let comment = left[0]; comment !== undefined && comment.row < row; comment = left[0]) {
      left.shift();
      const last = lines.at(-1);
      if (!comment.ownLine && last?.endRow === comment.row) last.comment = comment;
      else lines.push({ tokens: [], comment, row: comment.row, endRow: comment.row });
    }
  };
  for (const token of tokens) {
    if (token.kind === "eof") break;
    takeComments(token.row);
    const last = lines.at(-1);
    if (last !== undefined && last.endRow === token.row && last.tokens.length > 0) {
      last.tokens.push(token);
      last.endRow = token.endRow;
    } else lines.push({ tokens: [token], comment: undefined, row: token.row, endRow: token.endRow });
  }
  takeComments(Number.POSITIVE_INFINITY);
  return lines;
}
