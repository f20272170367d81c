import type { Body, Literal, Statement, Term, VarTerm, WithModifier } from "../ast.ts";
import { RegoParseError } from "../errors.ts";
import { lex, type Token } from "../lexer.ts";
import { TermParser } from "./terms.ts";

/** Queries and their literals. */
export class BodyParser extends TermParser {
  protected override bodyUntil(close: string): Body {
    return this.deeperBody(() => this.#literals(close));
  }

  #literals(close: string): Body {
    if (this.isOp(close)) throw this.fault(this.token, "found empty body");
    const body: Literal[] = [];
    for (;;) {
      body.push(this.literal());
      if (this.takeOp(close)) return body;
      if (this.takeOp(";")) continue;
      if (this.atEnd) throw this.unexpected(this.token);
      if (this.token.row === this.previous.endRow) throw this.#twoOnOneLine(close);
    }
  }

  #twoOnOneLine(close: string): Error {
    const hint =
      this.token.text === "in" ? " (hint: `import future.keywords.in` for `some x in xs` expressions)" : "";
    return this.unexpected(this.token, `expected \\n or ; or ${close}${hint}`);
  }

  /** A whole text that is one query, say of `opa eval`. */
  query(): Body {
    const body: Literal[] = [];
    if (this.atEnd) throw this.fault(this.token, "found empty body");
    for (;;) {
      body.push(this.literal());
      if (this.takeOp(";")) {
        if (this.atEnd) return body;
        continue;
      }
      if (this.atEnd) return body;
      if (this.token.row === this.previous.endRow) throw this.unexpected(this.token, "expected \\n or ;");
    }
  }

  /** `with` belongs to everything before it, operators included. */
  literal(): Literal {
    const start = this.token;
    const whole = this.#disjunction();
    const withs: WithModifier[] = [];
    while (this.isWord("with")) withs.push(this.#with());
    return withs.length === 0 ? whole : { ...whole, withs, loc: this.span(start) };
  }

  #disjunction(): Literal {
    let left = this.#conjunction();
    let length = 0;
    while (this.isKeyword("or")) {
      this.checkChain(++length);
      this.next();
      left = this.#logic("or", left, this.#conjunction());
    }
    return left;
  }

  #conjunction(): Literal {
    let left = this.#single();
    let length = 0;
    while (this.isKeyword("and")) {
      this.checkChain(++length);
      this.next();
      left = this.#logic("and", left, this.#single());
    }
    return left;
  }

  #logic(kind: "and" | "or", left: Literal, right: Literal): Literal {
    return { negated: false, statement: { kind, left, right }, withs: [], loc: this.span(left.loc) };
  }

  #single(): Literal {
    const start = this.token;
    if (this.isWord("some")) return this.#finish(start, false, this.#some());
    if (this.isKeyword("every")) return this.#finish(start, false, this.#every());
    if (!this.isWord("not")) return this.#finish(start, false, this.#statement());
    this.next();
    if (this.isWord("some") || this.isWord("not") || this.isKeyword("every"))
      throw this.unexpected(this.token);
    const blocks = this.keywords.has("not");
    return this.#finish(start, true, blocks ? this.#blockOrStatement() : this.#statement());
  }

  #finish(start: Token, negated: boolean, statement: Statement): Literal {
    return { negated, statement, withs: [], loc: this.span(start) };
  }

  #with(): WithModifier {
    const start = this.next();
    if (this.token.kind !== "ident") throw this.unexpected(this.token, "expected with target path");
    const target = this.term();
    if (target.kind !== "var" && target.kind !== "ref")
      throw this.fault(target.loc, "unexpected with target");
    if (!this.isWord("as")) throw this.unexpected(this.token, "expected as keyword");
    this.next();
    const value = this.exprWithPair();
    return { target, value, loc: this.span(start) };
  }

  /** What looking ahead found at a token, so that nested brackets are not read again for each level around them. */
  readonly #noGroups: Set<number> = new Set();
  readonly #termBraces: Map<number, boolean> = new Map();

  #hasLogic(): boolean {
    return this.keywords.has("and") || this.keywords.has("or");
  }

  /** `(a or b)`: parentheses around conditions, as opposed to ones around a term. */
  #group(): Statement | undefined {
    const start = this.save();
    if (this.#noGroups.has(start)) return undefined;
    const depths = this.depths();
    try {
      this.next();
      const inner = this.deeper(() => this.literal());
      const { kind } = inner.statement;
      const isCondition =
        kind === "and" || kind === "or" || kind === "block" || inner.negated || inner.withs.length > 0;
      if (isCondition && this.takeOp(")")) return { kind: "block", body: [inner] };
    } catch (error) {
      if (!(error instanceof RegoParseError)) throw error;
    }
    this.#noGroups.add(start);
    this.restore(start);
    this.restoreDepths(depths);
    return undefined;
  }

  #statement(): Statement {
    if (this.isOp("(") && this.#hasLogic()) {
      const group = this.#group();
      if (group !== undefined) return group;
    }
    if (this.isOp("{") && (this.keywords.has("and") || this.keywords.has("or")))
      return this.#blockOrStatement();
    const left = this.exprWithPair();
    const token = this.token;
    if (token.kind !== "op" || (token.text !== ":=" && token.text !== "="))
      return { kind: "expr", term: left };
    this.next();
    const right = this.exprWithPair();
    return { kind: token.text === ":=" ? "assign" : "unify", left, right };
  }

  /** Where a block may stand, `{` begins one unless it can only be an object, a set or a comprehension. */
  #blockOrStatement(): Statement {
    const block = this.isOp("{") ? this.block() : undefined;
    if (block !== undefined) return { kind: "block", body: block };
    return this.isOp("{") ? this.#plainStatement() : this.#statement();
  }

  #plainStatement(): Statement {
    return { kind: "expr", term: this.exprWithPair() };
  }

  /**
   * `{ query }`, or undefined (and nothing read) when the brace opens an object or a comprehension. `{}` is the
   * empty object, and hence true.
   */
  block(): Body | undefined {
    const start = this.save();
    const isTerm = this.#termBraces.get(start) ?? this.#bracesAreTerm();
    this.#termBraces.set(start, isTerm);
    this.restore(start);
    if (isTerm) return undefined;
    this.next();
    return this.bodyUntil("}");
  }

  #bracesAreTerm(): boolean {
    const depths = this.depths();
    this.next();
    if (this.isOp("}")) return true;
    if (this.isWord("not") || this.isWord("some") || this.isKeyword("every")) return false;
    try {
      this.term();
      return this.isOp(":") || this.isOp("|");
    } catch {
      return false;
    } finally {
      this.restoreDepths(depths);
    }
  }

  #some(): Statement {
    this.next();
    const first = this.#someTerm();
    const terms = [first];
    while (this.takeOp(",")) terms.push(this.#someTerm());
    if (this.isKeyword("in") && terms.length <= 2) return this.#someIn(terms);
    const vars: VarTerm[] = [];
    for (const term of terms) {
      if (term.kind !== "var") throw this.fault(term.loc, `unexpected ${termName(term)} token: expected var`);
      vars.push(term);
    }
    return { kind: "some", vars };
  }

  #someTerm(): Term {
    const token = this.token;
    if (token.kind === "ident" && !this.startsReference() && this.isReserved(token.text)) {
      throw this.unexpected(token, "expected var");
    }
    return this.relation();
  }

  #someIn(terms: readonly Term[]): Statement {
    this.next();
    const collection = this.exprWithPair();
    const [first, second] = terms;
    if (first === undefined) throw this.unexpected(this.token, "expected var");
    if (second === undefined) return { kind: "someIn", value: first, collection };
    return { kind: "someIn", key: first, value: second, collection };
  }

  #every(): Statement {
    this.next();
    const first = this.#everyVar();
    const second = this.takeOp(",") ? this.#everyVar() : undefined;
    if (!this.isKeyword("in")) throw this.unexpected(this.token, "expected value to be a variable");
    this.next();
    const domain = this.exprWithPair();
    if (!this.isOp("{")) throw this.unexpected(this.token, "missing body");
    this.next();
    const body = this.bodyUntil("}");
    if (second === undefined) return { kind: "every", value: first, domain, body };
    return { kind: "every", key: first, value: second, domain, body };
  }

  #everyVar(): VarTerm {
    const token = this.token;
    if (token.kind !== "ident" || this.isReserved(token.text)) {
      throw this.unexpected(token, "expected value to be a variable");
    }
    this.next();
    return { kind: "var", name: token.text, loc: this.span(token) };
  }

  protected override subParser(text: string, row: number, col: number): Term {
    const { tokens } = lex(this.file, text, row, col);
    const parser = new BodyParser(this.file, tokens, this.keywords);
    const term = parser.exprWithPair();
    if (!parser.atEnd) throw parser.unexpected(parser.token, "expected }");
    return term;
  }
}

function termName(term: Term): string {
  if (term.kind !== "scalar") return term.kind;
  if (term.value === null || typeof term.value === "boolean") return String(term.value);
  return typeof term.value === "string" ? "string" : "number";
}
