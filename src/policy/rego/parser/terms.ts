import type { Body, CallTerm, RefTerm, Term, VarTerm } from "../ast.ts";
import { BudgetError } from "../errors.ts";
import type { Token } from "../lexer.ts";
import { lex } from "../lexer.ts";
import { parseNumber } from "../numbers.ts";
import { endOfBraces } from "../template-scan.ts";
import { Cursor } from "./cursor.ts";

interface Operator {
  readonly precedence: number;
  readonly builtin: string;
}

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ["==", { precedence: 2, builtin: "equal" }],
  ["!=", { precedence: 2, builtin: "neq" }],
  ["<", { precedence: 2, builtin: "lt" }],
  ["<=", { precedence: 2, builtin: "lte" }],
  [">", { precedence: 2, builtin: "gt" }],
  [">=", { precedence: 2, builtin: "gte" }],
  ["|", { precedence: 3, builtin: "or" }],
  ["&", { precedence: 4, builtin: "and" }],
  ["+", { precedence: 5, builtin: "plus" }],
  ["-", { precedence: 5, builtin: "minus" }],
  ["*", { precedence: 6, builtin: "mul" }],
  ["/", { precedence: 6, builtin: "div" }],
  ["%", { precedence: 6, builtin: "rem" }],
]);
/** Steps of one reference, package path or head. */
export const MAX_STEPS = 256;
const IN = 1;
const RELATION = 2;

/** Terms and infix expressions. Bodies are left to the subclass. */
export abstract class TermParser extends Cursor {
  /** A query up to, and including, the closing bracket. */
  protected abstract bodyUntil(close: string): Body;

  /** An expression in a list: a comma ends it. */
  expr(): Term {
    return this.deeper(() => this.#membership(this.#infix(RELATION), false));
  }

  /** An expression where a comma separates nothing, so `k, v in c` may stand. */
  exprWithPair(): Term {
    return this.deeper(() => this.#membership(this.#infix(RELATION), true));
  }

  /** An expression without `in`, for the sides of `some … in`. */
  relation(): Term {
    return this.deeper(() => this.#infix(RELATION));
  }

  /** Goes on with an expression of which the first term is already read. */
  #exprFrom(first: Term): Term {
    return this.#membership(this.#infix(RELATION, first), false);
  }

  #membership(first: Term, pairs: boolean): Term {
    let left = first;
    let length = 0;
    if (pairs && this.isOp(",") && this.keywords.has("in")) {
      const pair = this.#pairMembership(left);
      if (pair === undefined) return left;
      left = pair;
    }
    while (this.isKeyword("in")) {
      this.checkChain(++length);
      this.next();
      const right = this.#infix(IN + 1);
      left = this.#call("internal.member_2", [left, right], "in", left);
    }
    return left;
  }

  #pairMembership(left: Term): Term | undefined {
    const start = this.save();
    this.next();
    const value = this.#infix(RELATION);
    if (!this.isKeyword("in")) {
      this.restore(start);
      return undefined;
    }
    this.next();
    return this.#call("internal.member_3", [left, value, this.#infix(RELATION)], "in", left);
  }

  #infix(precedence: number, first?: Term): Term {
    let left = first ?? this.term();
    let length = 0;
    for (;;) {
      const operator = this.token.kind === "op" ? OPERATORS.get(this.token.text) : undefined;
      if (operator === undefined || operator.precedence < precedence) return left;
      this.checkChain(++length);
      const symbol = this.next().text;
      const right = this.deeper(() => this.#infix(operator.precedence + 1));
      left = this.#call(operator.builtin, [left, right], symbol, left);
    }
  }

  #call(name: string, args: readonly Term[], infix: string, from: Term): CallTerm {
    const loc = this.span(from.loc);
    const [first = name, ...rest] = name.split(".");
    const head: VarTerm = { kind: "var", name: first, loc };
    const path = rest.map((step): Term => ({ kind: "scalar", value: step, loc }));
    return {
      kind: "call",
      operator: path.length === 0 ? head : { kind: "ref", head, path, loc },
      args,
      infix,
      loc,
    };
  }

  /** A term without infix operators. */
  term(): Term {
    return this.deeper(() => this.#unary());
  }

  #unary(): Term {
    if (!this.isOp("-")) return this.#postfix(this.#primary());
    const minus = this.next();
    if (this.token.kind === "number") return this.#number(this.next(), minus);
    const operand = this.#postfix(this.#primary());
    if (operand.kind !== "ref" && operand.kind !== "var" && operand.kind !== "call") {
      throw this.fault(minus, "unexpected - token: expected number");
    }
    return this.#call("minus", [operand], "-", { ...operand, loc: this.span(minus) });
  }

  #number(token: Token, minus?: Token): Term {
    const text = minus === undefined ? token.text : `-${token.text}`;
    const value = literalNumber(text);
    if (value === undefined) throw this.fault(token, "number too big");
    return { kind: "scalar", value, text, loc: this.span(minus ?? token) };
  }

  #primary(): Term {
    const token = this.token;
    switch (token.kind) {
      case "number":
        return this.#number(this.next());
      case "string":
        this.next();
        return { kind: "scalar", value: token.text, loc: this.span(token) };
      case "rawString":
        this.next();
        return { kind: "scalar", value: token.text, raw: true, loc: this.span(token) };
      case "template":
      case "rawTemplate":
        return this.#template(this.next());
      case "ident":
        return this.#word(token);
      case "op":
        if (token.text === "(") return this.#parenthesis();
        if (token.text === "[") return this.#array();
        if (token.text === "{") return this.#braces();
        throw this.unexpected(token);
      default:
        throw this.unexpected(token);
    }
  }

  #word(token: Token): Term {
    const { text } = token;
    if (!this.startsReference()) {
      if (text === "true" || text === "false" || text === "null") {
        this.next();
        return { kind: "scalar", value: text === "null" ? null : text === "true", loc: this.span(token) };
      }
      if (this.isReserved(text) && !(text === "contains" && this.#callFollows()))
        throw this.unexpected(token);
      if (text === "set" && this.#callFollows()) return this.#emptySet(token);
    }
    this.next();
    return { kind: "var", name: text, loc: this.span(token) };
  }

  #callFollows(): boolean {
    const after = this.following;
    return after.kind === "op" && after.text === "(" && !after.spaced;
  }

  #emptySet(token: Token): Term {
    this.next();
    this.next();
    this.expectOp(")");
    return { kind: "set", items: [], loc: this.span(token) };
  }

  #parenthesis(): Term {
    this.next();
    const inner = this.exprWithPair();
    if (!this.isOp(")")) {
      throw this.atEnd
        ? this.fault(this.token, "non-terminated expression")
        : this.unexpected(this.token, "expected )");
    }
    this.next();
    return inner;
  }

  /** Steps and calls: only without a space before them, for a space would begin a new literal. */
  #postfix(first: Term): Term {
    const start = first.loc;
    let head = first;
    let path: Term[] = [];
    const flush = (): Term => (path.length === 0 ? head : { kind: "ref", head, path, loc: this.span(start) });
    for (;;) {
      const token = this.token;
      if (token.kind !== "op" || token.spaced) return flush();
      if (token.text === "." || token.text === "[") {
        if (head.kind === "scalar" || head.kind === "template") {
          throw this.fault(start, `illegal ref (head cannot be ${scalarName(head)})`);
        }
        if (path.length >= MAX_STEPS) throw this.fault(token, "reference has too many steps");
        path.push(token.text === "." ? this.#dotStep() : this.#bracketStep());
      } else if (token.text === "(") {
        head = this.#application(flush());
        path = [];
      } else return flush();
    }
  }

  #dotStep(): Term {
    this.next();
    const name = this.token;
    if (name.kind !== "ident" || name.spaced) throw this.unexpected(name, "expected identifier");
    this.next();
    return { kind: "scalar", value: name.text, loc: this.span(name) };
  }

  #bracketStep(): Term {
    this.next();
    const key = this.expr();
    this.expectOp("]");
    return key;
  }

  #application(operator: Term): Term {
    if (operator.kind !== "var" && operator.kind !== "ref") throw this.fault(operator.loc, "illegal call");
    this.next();
    const args = this.#list(")", false);
    return { kind: "call", operator: this.#plainOperator(operator), args, loc: this.span(operator.loc) };
  }

  #plainOperator(operator: VarTerm | RefTerm): VarTerm | RefTerm {
    const plain =
      operator.kind === "var" ||
      (operator.head.kind === "var" && operator.path.every((step) => step.kind === "scalar"));
    if (!plain) throw this.fault(operator.loc, "illegal call: a function is named by a constant reference");
    return operator;
  }

  /** Elements up to, and including, the closing bracket. One trailing comma is fine, a leading one where asked. */
  #list(close: string, leadingComma: boolean, first?: Term): Term[] {
    const items: Term[] = [];
    if (first !== undefined) items.push(first);
    else {
      if (leadingComma && this.isOp(",")) this.next();
      if (this.takeOp(close)) return items;
      items.push(this.expr());
    }
    for (;;) {
      if (this.takeOp(close)) return items;
      if (!this.takeOp(",")) throw this.unexpected(this.token, `expected "," or "${close}"`);
      if (this.takeOp(close)) return items;
      items.push(this.expr());
    }
  }

  #array(): Term {
    const start = this.next();
    if (this.isOp(",") || this.isOp("]")) {
      return { kind: "array", items: this.#list("]", true), loc: this.span(start) };
    }
    const first = this.term();
    if (this.isOp("|")) {
      this.next();
      const body = this.bodyUntil("]");
      return { kind: "arrayCompr", value: first, body, loc: this.span(start) };
    }
    const items = this.#list(
      "]",
      false,
      this.deeper(() => this.#exprFrom(first)),
    );
    return { kind: "array", items, loc: this.span(start) };
  }

  #braces(): Term {
    const start = this.next();
    if (this.takeOp("}")) return { kind: "object", entries: [], loc: this.span(start) };
    if (this.isOp(",")) this.next();
    const first = this.term();
    if (this.isOp("|")) {
      this.next();
      const body = this.bodyUntil("}");
      return { kind: "setCompr", value: first, body, loc: this.span(start) };
    }
    const key = this.deeper(() => this.#exprFrom(first));
    if (!this.isOp(":")) return { kind: "set", items: this.#list("}", false, key), loc: this.span(start) };
    return this.#objectFrom(start, key);
  }

  #objectFrom(start: Token, firstKey: Term): Term {
    this.next();
    const first = this.term();
    if (this.isOp("|")) {
      this.next();
      const body = this.bodyUntil("}");
      return { kind: "objectCompr", key: firstKey, value: first, body, loc: this.span(start) };
    }
    const entries: [Term, Term][] = [[firstKey, this.deeper(() => this.#exprFrom(first))]];
    while (!this.takeOp("}")) {
      if (!this.takeOp(",")) throw this.unexpected(this.token, 'expected "," or "}"');
      if (this.takeOp("}")) break;
      const key = this.expr();
      this.expectOp(":");
      entries.push([key, this.expr()]);
    }
    return { kind: "object", entries, loc: this.span(start) };
  }

  /** Splits `text{expr}text`; every expression is parsed by a parser of its own at its own place. */
  #template(token: Token): Term {
    const source = token.text;
    const raw = token.kind === "rawTemplate";
    const parts: (string | Term)[] = [];
    let text = "";
    let at = 0;
    while (at < source.length) {
      const c = source[at] ?? "";
      if (c === "\\" && !raw) {
        const [decoded, width] = this.#templateEscape(token, source, at);
        text += decoded;
        at += width;
      } else if (c === "\\" && (source[at + 1] === "{" || source[at + 1] === "}")) {
        text += source[at + 1] ?? "";
        at += 2;
      } else if (c === "{") {
        const end = endOfBraces(source, at) - 1;
        if (end < 0) throw this.fault(token, "non-terminated template expression");
        if (text !== "") parts.push(text);
        text = "";
        parts.push(this.#templateExpr(token, source, at + 1, end));
        at = end + 1;
      } else {
        text += c;
        at += 1;
      }
    }
    if (text !== "") parts.push(text);
    return { kind: "template", parts, raw, loc: this.span(token) };
  }

  #templateEscape(token: Token, source: string, at: number): [string, number] {
    const next = source[at + 1] ?? "";
    if (next === "{" || next === "}") return [next, 2];
    const width = next === "u" ? 6 : 2;
    const inner = lex(this.file, `"${source.slice(at, at + width)}"`).tokens[0];
    if (inner === undefined || inner.kind !== "string") throw this.fault(token, "illegal escape sequence");
    return [inner.text, width];
  }

  #templateExpr(token: Token, source: string, from: number, to: number): Term {
    const before = source.slice(0, from).split("\n");
    const row = token.row + before.length - 1;
    const col = before.length === 1 ? token.col + 2 + from : (before.at(-1)?.length ?? 0) + 1;
    return this.deeper(() => this.subParser(source.slice(from, to), row, col));
  }

  /** Parses one whole expression out of a template. */
  protected abstract subParser(text: string, row: number, col: number): Term;
}

function scalarName(term: Term): string {
  if (term.kind === "template") return "template-string";
  if (term.kind !== "scalar" || term.value === null) return "null";
  return typeof term.value === "bigint" ? "number" : typeof term.value;
}

/** `.5` is fine in policy text, unlike in JSON. Undefined for a number beyond the digit limit. */
function literalNumber(text: string): number | bigint | undefined {
  const whole = text.startsWith(".") ? `0${text}` : text.replace("-.", "-0.");
  try {
    return parseNumber(whole);
  } catch (error) {
    if (error instanceof BudgetError) return undefined;
    throw error;
  }
}
