import type { Body, ElseClause, Head, Import, Rule, Term, VarTerm } from "../ast.ts";
import type { Location, RegoParseError } from "../errors.ts";
import { BodyParser } from "./bodies.ts";
import type { FutureKeyword } from "./cursor.ts";
import { MAX_STEPS } from "./terms.ts";

const IMPORT_ROOTS: ReadonlySet<string> = new Set(["data", "future", "input", "rego"]);
const V1_KEYWORDS: readonly FutureKeyword[] = ["if", "contains", "in", "every"];
const FUTURE_KEYWORDS: ReadonlySet<string> = new Set([...V1_KEYWORDS, "not", "and", "or"]);

/** Package, imports and rules. */
export class RuleParser extends BodyParser {
  /** v1 rules hold: bodies need `if`, partial sets need `contains`. */
  strict = false;
  readonly #futureImports: Location[] = [];
  #regoV1Import: Location | undefined;

  packagePath(): string[] {
    this.next();
    const first = this.token;
    if (first.kind !== "ident") throw this.unexpected(first, "expected package name");
    this.next();
    return [first.text, ...this.#constantSteps()];
  }

  #constantSteps(): string[] {
    const steps: string[] = [];
    for (;;) {
      const token = this.token;
      if (token.kind !== "op" || token.spaced || (token.text !== "." && token.text !== "[")) return steps;
      if (steps.length >= MAX_STEPS) throw this.fault(token, "path has too many steps");
      this.next();
      const name = this.token;
      if (token.text === "[" && name.kind !== "string" && name.kind !== "rawString") {
        throw this.fault(name, "unexpected var token: expecting string");
      }
      if (token.text === "." && name.kind !== "ident") throw this.unexpected(name, "expected identifier");
      this.next();
      if (token.text === "[") this.expectOp("]");
      steps.push(name.text);
    }
  }

  import(): Import {
    const start = this.next();
    const root = this.token;
    if (root.kind !== "ident") throw this.unexpected(root, "expected import path");
    if (!IMPORT_ROOTS.has(root.text)) throw this.fault(root, importRootFault(root.text));
    this.next();
    const path = [root.text, ...this.#constantSteps()];
    const alias = this.isWord("as") ? this.#alias() : undefined;
    const loc = this.span(start);
    this.#enableKeywords(path, loc);
    return alias === undefined ? { path, loc } : { path, alias, loc };
  }

  #alias(): string {
    this.next();
    const name = this.token;
    if (name.kind !== "ident" || this.isReserved(name.text)) throw this.unexpected(name, "expected var");
    this.next();
    return name.text;
  }

  #enableKeywords(path: readonly string[], loc: Location): void {
    const [root, ...rest] = path;
    if (root === "rego") this.#importRego(rest, loc);
    if (root !== "future") return;
    const [group, name] = rest;
    if (group !== "keywords" || rest.length > 2 || (name !== undefined && !FUTURE_KEYWORDS.has(name))) {
      throw this.fault(loc, `unexpected import, must be \`future.keywords\`: ${path.join(".")}`);
    }
    this.#futureImports.push(loc);
    if (this.#regoV1Import !== undefined && !this.#startedStrict) throw this.#mixedImports(loc);
    for (const keyword of name === undefined ? V1_KEYWORDS : [name])
      this.keywords.add(keyword as FutureKeyword); // `name` was looked up in the list just above
    if (name === "every") this.keywords.add("in");
  }

  #startedStrict = false;

  /** Sets the dialect the text is read in before any import. */
  begin(strict: boolean): void {
    this.strict = strict;
    this.#startedStrict = strict;
    if (strict) for (const keyword of V1_KEYWORDS) this.keywords.add(keyword);
  }

  #importRego(rest: readonly string[], loc: Location): void {
    if (rest.length !== 1 || rest[0] !== "v1") {
      throw this.fault(loc, `invalid import \`rego.${rest.join(".")}\`, must be \`rego.v1\``);
    }
    this.#regoV1Import = loc;
    if (!this.#startedStrict && this.#futureImports.length > 0) throw this.#mixedImports(loc);
    this.strict = true;
    for (const keyword of V1_KEYWORDS) this.keywords.add(keyword);
  }

  #mixedImports(loc: Location): RegoParseError {
    return this.fault(
      loc,
      "the `rego.v1` import implies `future.keywords`, these are therefore mutually exclusive",
    );
  }

  rule(): Rule {
    const start = this.token;
    if (this.isWord("default")) return this.#defaultRule();
    const head = this.#head();
    const { body, hasIf } = this.#ruleBody();
    if (body !== undefined && !hasIf && this.strict) throw this.#needsIf(head.loc);
    const chained: Body[] = [];
    while (body !== undefined && this.isOp("{")) {
      this.next();
      chained.push(this.bodyUntil("}"));
    }
    if (body === undefined) this.#checkBodiless(head);
    const elses = this.#elses(head, body !== undefined, chained.length > 0);
    const loc = this.span(start);
    return { isDefault: false, head, hasIf, ...(body === undefined ? {} : { body }), elses, chained, loc };
  }

  #needsIf(loc: Location): RegoParseError {
    return this.fault(loc, "`if` keyword is required before rule body");
  }

  #defaultRule(): Rule {
    const start = this.next();
    const head = this.#head();
    if (head.contains !== undefined || head.value === undefined) {
      throw this.fault(this.token, "unexpected default rule: must have a value, e.g. default p := false");
    }
    if (this.isOp("{") || this.isKeyword("if")) throw this.unexpected(this.token, "default rule has no body");
    return { isDefault: true, head, hasIf: false, elses: [], chained: [], loc: this.span(start) };
  }

  #head(): Head {
    const start = this.token;
    if (start.kind === "illegal" || start.kind === "eof") throw this.unexpected(start);
    if (start.kind !== "ident") throw this.fault(start, this.#badRuleName());
    if (this.isReserved(start.text) && !this.startsReference() && !this.#isContainsFunction()) {
      throw this.unexpected(start);
    }
    this.next();
    const name: VarTerm = { kind: "var", name: start.text, loc: this.span(start) };
    const path = this.#headSteps();
    const args = this.isOp("(") && !this.token.spaced ? this.#headArgs() : undefined;
    const base = { name, path, ...(args === undefined ? {} : { args }) };
    if (this.isKeyword("contains")) return this.#containsHead(base, args !== undefined, start);
    const assign = this.isOp(":=") ? ":=" : this.isOp("=") ? "=" : undefined;
    if (assign === undefined) return { ...base, loc: this.span(start) };
    this.next();
    return { ...base, assign, value: this.exprWithPair(), loc: this.span(start) };
  }

  #isContainsFunction(): boolean {
    const after = this.following;
    return (
      !this.strict &&
      this.token.text === "contains" &&
      after.kind === "op" &&
      after.text === "(" &&
      !after.spaced
    );
  }

  #badRuleName(): string {
    const token = this.token;
    const kinds: Readonly<Record<string, string>> = { "[": "array", "{": "object", "(": "expression" };
    const kind = token.kind === "op" ? kinds[token.text] : token.kind === "rawString" ? "string" : token.kind;
    return kind === undefined ? this.unexpected(token).message : `${kind} cannot be used for rule name`;
  }

  #containsHead(
    base: Pick<Head, "name" | "path" | "args">,
    isFunction: boolean,
    start: { row: number; col: number },
  ): Head {
    if (isFunction) {
      throw this.fault(
        this.token,
        "unexpected contains keyword: the contains keyword can only be used with multi-value rule definitions (e.g., f contains <VALUE> { ... })",
      );
    }
    this.next();
    const contains = this.exprWithPair();
    if (this.isOp(":=") || this.isOp("=")) throw this.unexpected(this.token);
    const { file } = this;
    return {
      ...base,
      contains,
      loc: this.span({ file, row: start.row, col: start.col, endRow: 0, endCol: 0 }),
    };
  }

  #headSteps(): Term[] {
    const steps: Term[] = [];
    for (;;) {
      const token = this.token;
      if (token.kind !== "op" || token.spaced) return steps;
      if (steps.length >= MAX_STEPS) throw this.fault(token, "rule head has too many steps");
      if (token.text === ".") {
        this.next();
        const name = this.token;
        if (name.kind !== "ident" || name.spaced) throw this.unexpected(name, "expected identifier");
        this.next();
        steps.push({ kind: "scalar", value: name.text, loc: this.span(name) });
      } else if (token.text === "[") {
        this.next();
        steps.push(this.expr());
        this.expectOp("]");
      } else return steps;
    }
  }

  #headArgs(): Term[] {
    this.next();
    const args: Term[] = [];
    while (!this.takeOp(")")) {
      args.push(this.expr());
      if (this.takeOp(",")) continue;
      if (!this.isOp(")")) throw this.unexpected(this.token, 'expected "," or ")"');
    }
    return args;
  }

  #ruleBody(): { body?: Body; hasIf: boolean } {
    if (this.isKeyword("if")) {
      this.next();
      return { body: this.#ifBody(), hasIf: true };
    }
    if (!this.isOp("{")) return { hasIf: false };
    this.next();
    return { body: this.bodyUntil("}"), hasIf: false };
  }

  #ifBody(): Body {
    if (this.isOp("{")) {
      const start = this.save();
      const block = this.block();
      // With `and`/`or` enabled, a block may be the first operand instead of the whole body.
      if (block !== undefined && !this.isKeyword("and") && !this.isKeyword("or")) return block;
      this.restore(start);
    }
    return [this.literal()];
  }

  #checkBodiless(head: Head): void {
    if (head.value !== undefined || head.contains !== undefined || head.args !== undefined) return;
    if (head.path.length === 0) throw this.fault(head.loc, "var cannot be used for rule name");
    if (head.path.length > 1)
      throw this.fault(head.loc, "rule must have value assignment and/or body declaration");
    if (this.strict) throw this.fault(head.loc, "`contains` keyword is required for partial set rules");
  }

  #elses(head: Head, hasBody: boolean, isChained: boolean): ElseClause[] {
    const elses: ElseClause[] = [];
    let open = hasBody;
    while (this.isWord("else")) {
      if (head.contains !== undefined) {
        throw this.fault(this.token, "else keyword cannot be used on multi-value rules");
      }
      if (head.path.some((step) => step.kind !== "scalar") || (!this.strict && this.#isV0Set(head))) {
        throw this.fault(this.token, "else keyword cannot be used on rules with variables in head");
      }
      if (!open || isChained) throw this.unexpected(this.token);
      const clause = this.#else();
      elses.push(clause);
      open = clause.body !== undefined;
    }
    if (elses.length > 0 && this.isOp("{")) throw this.unexpected(this.token);
    return elses;
  }

  #isV0Set(head: Head): boolean {
    return (
      head.path.length === 1 &&
      head.value === undefined &&
      head.args === undefined &&
      !this.keywords.has("if")
    );
  }

  #else(): ElseClause {
    const start = this.next();
    const assign = this.isOp(":=") ? ":=" : this.isOp("=") ? "=" : undefined;
    if (assign !== undefined) this.next();
    const value = assign === undefined ? undefined : this.exprWithPair();
    const { body, hasIf } = this.#ruleBody();
    if (value === undefined && body === undefined) {
      throw this.unexpected(this.token, "expected else value term or rule body");
    }
    const loc = this.span(start);
    if (body !== undefined && !hasIf && this.strict) throw this.#needsIf(loc);
    return {
      ...(value === undefined || assign === undefined ? {} : { value, assign }),
      ...(body === undefined ? {} : { body }),
      hasIf,
      loc,
    };
  }

  /** Moves to the next token that may begin a rule or an import: one at the left edge of a later line. */
  recover(): void {
    this.resetDepth();
    const failedRow = this.token.row;
    while (!this.atEnd && (this.token.col !== 1 || this.token.row <= failedRow || !this.#mayBegin())) {
      this.next();
    }
  }

  #mayBegin(): boolean {
    return this.token.kind === "ident";
  }
}

function importRootFault(got: string): string {
  return `unexpected import path, must begin with one of: {data, future, input, rego}, got: ${got}`;
}
