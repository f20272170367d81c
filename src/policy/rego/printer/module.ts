/** Modules as Rego source in one style. Comments stay with what they stand at; nothing is lost. */

import { isPlainName } from "../analysis/tree.ts";
import type {
  Body,
  Comment,
  ElseClause,
  Head,
  Import,
  Literal,
  Module,
  Rule,
  Statement,
  Term,
} from "../ast.ts";
import type { Location } from "../errors.ts";
import { TermPrinter } from "./terms.ts";

/** The module in standard form. Parsing it again gives the same tree. */
export function printModule(module: Module): string {
  return new ModulePrinter(module.comments).module(module);
}

/** A term in standard form. */
export function printTerm(term: Term): string {
  return new ModulePrinter([]).term(term);
}

class ModulePrinter extends TermPrinter {
  readonly #comments: Comment[];
  readonly #lines: string[] = [];
  /** The last row of the source that is printed, for keeping blank lines. */
  #row = 0;

  constructor(comments: readonly Comment[]) {
    super();
    this.#comments = comments.toSorted((a, b) => a.row - b.row);
  }

  module(module: Module): string {
    this.#flushBefore(module.packageLoc.row);
    this.#line(`package ${pathText(module.packagePath)}`, module.packageLoc);
    this.#blank();
    for (const found of module.imports) this.#import(found);
    if (module.imports.length > 0) this.#blank();
    let isShort = true;
    for (const [at, rule] of module.rules.entries()) {
      const start = this.#lines.length;
      this.#rule(rule);
      const wasShort = isShort;
      isShort = this.#lines.length - start === 1;
      const gap = rule.loc.row - (module.rules[at - 1]?.loc.endRow ?? rule.loc.row);
      // One-line rules that stand together stay together.
      const apart = at > 0 && (!wasShort || !isShort || gap > 1);
      if (apart && this.#lines[start - 1] !== "" && this.#lines[start] !== "")
        this.#lines.splice(start, 0, "");
    }
    this.#flushBefore(Number.POSITIVE_INFINITY);
    while (this.#lines.at(-1) === "") this.#lines.pop();
    return `${this.#lines.join("\n")}\n`;
  }

  #blank(): void {
    if (this.#lines.length > 0 && this.#lines.at(-1) !== "") this.#lines.push("");
  }

  /** Comments above a row, each on its own line, up to the first that stands left of a column. */
  #flushBefore(row: number, fromCol = 1): void {
    for (let next = this.#comments[0]; next !== undefined && next.row < row; next = this.#comments[0]) {
      if (next.col < fromCol) return;
      this.#comments.shift();
      if (next.row > this.#row + 1 && this.#row > 0) this.#blank();
      this.#lines.push(`${this.margin}#${next.text.trimEnd()}`);
      this.#row = next.row;
    }
  }

  /** A comment behind the last line. */
  #trailing(row: number): string {
    const next = this.#comments[0];
    if (next === undefined || next.row !== row || next.ownLine) return "";
    this.#comments.shift();
    return ` #${next.text.trimEnd()}`;
  }

  /** Prints a piece of source that has no comments between its lines any more. */
  #line(text: string, loc: Pick<Location, "row" | "endRow">, nextRow = Number.POSITIVE_INFINITY): void {
    // A comment behind several literals of one line belongs to the last of them.
    const comment = nextRow > loc.endRow ? this.#trailing(loc.endRow) : "";
    this.#lines.push(`${this.margin}${text}${comment}`);
    this.#row = loc.endRow;
  }

  #import(found: Import): void {
    this.#flushBefore(found.loc.row);
    const alias = found.alias === undefined ? "" : ` as ${found.alias}`;
    this.#line(`import ${pathText(found.path)}${alias}`, found.loc);
  }

  #rule(rule: Rule): void {
    this.#flushBefore(rule.loc.row);
    const head = `${rule.isDefault ? "default " : ""}${this.#head(rule.head)}`;
    const ends = bodyEnds(rule);
    this.#bodyAfter(head, rule.body, rule.hasIf, rule.head.loc, ends.shift());
    for (const body of rule.chained)
      this.#bodyAfter(this.#resume(), body, false, rule.head.loc, ends.shift());
    for (const clause of rule.elses) this.#else(clause, ends.shift());
  }

  /** Goes on behind a closing brace when the last line is one. */
  #resume(): string {
    if (this.#lines.at(-1) !== `${this.margin}}`) return "";
    this.#lines.pop();
    return "}";
  }

  #else(clause: ElseClause, end: number | undefined): void {
    // A comment between the brace and `else` keeps them on different lines.
    const commented = (this.#comments[0]?.row ?? Number.POSITIVE_INFINITY) < clause.loc.row;
    this.#flushBefore(clause.loc.row);
    const start = commented ? "" : this.#resume();
    const value = clause.value === undefined ? "" : ` ${clause.assign ?? ":="} ${this.term(clause.value)}`;
    const head = `${start === "" ? "" : `${start} `}else${value}`;
    this.#bodyAfter(head, clause.body, clause.hasIf, clause.loc, end);
  }

  #head(head: Head): string {
    const args = head.args === undefined ? "" : `(${head.args.map((arg) => this.term(arg, 1)).join(", ")})`;
    const name = `${head.name.name}${this.steps(head.path)}${args}`;
    if (head.contains !== undefined) return `${name} contains ${this.term(head.contains)}`;
    return head.value === undefined ? name : `${name} ${head.assign ?? ":="} ${this.term(head.value)}`;
  }

  #bodyAfter(head: string, body: Body | undefined, hasIf: boolean, loc: Location, end = loc.endRow): void {
    if (body === undefined) {
      this.#line(head, loc);
      return;
    }
    const [first] = body;
    const lead = `${head}${hasIf ? " if" : ""}`.trimStart();
    if (hasIf && first !== undefined && body.length === 1 && this.#fitsOnLine(first, loc)) {
      this.#line(`${lead} ${this.#literal(first)}`, { row: loc.row, endRow: first.loc.endRow });
      return;
    }
    this.#line(lead === "" ? "{" : `${lead} {`, loc, first?.loc.row);
    this.#block(body);
    this.indented(() => this.#flushBefore(end, loc.col + 1));
    this.#line("}", { row: end, endRow: end });
  }

  #fitsOnLine(literal: Literal, head: Location): boolean {
    if (literal.loc.row !== head.endRow || literal.loc.endRow !== literal.loc.row) return false;
    const comment = this.#comments[0];
    if (comment !== undefined && comment.row < literal.loc.endRow) return false;
    return !this.#literal(literal).startsWith("{");
  }

  #block(body: Body): void {
    this.indented(() => {
      this.#row = body[0]?.loc.row ?? this.#row;
      for (const [at, literal] of body.entries()) this.#literalLine(literal, body[at + 1]?.loc.row);
    });
  }

  #literalLine(literal: Literal, nextRow: number | undefined): void {
    const { loc, statement } = literal;
    this.#flushBefore(loc.row);
    if (loc.row > this.#row + 1) this.#blank();
    if (statement.kind === "every") {
      this.#every(literal);
      return;
    }
    this.#flushBefore(loc.endRow);
    this.#line(this.#literal(literal), loc, nextRow);
  }

  #every(literal: Literal): void {
    const { statement, loc } = literal;
    if (statement.kind !== "every") return;
    const isShort = loc.row === loc.endRow;
    if (isShort || literal.withs.length > 0) {
      this.#flushBefore(loc.endRow);
      this.#line(this.#literal(literal), loc);
      return;
    }
    this.#line(`${this.#everyHead(statement)} {`, { row: loc.row, endRow: loc.row });
    this.#block(statement.body);
    this.#flushIn(loc.endRow);
    this.#line("}", loc);
  }

  #flushIn(row: number): void {
    this.indented(() => this.#flushBefore(row));
  }

  #everyHead(statement: Extract<Statement, { kind: "every" }>): string {
    const key = statement.key === undefined ? "" : `${statement.key.name}, `;
    return `every ${key}${statement.value.name} in ${this.term(statement.domain)}`;
  }

  protected override inlineBody(body: Body): string {
    return body.map((literal) => this.#literal(literal)).join("; ");
  }

  #literal(literal: Literal): string {
    const statement = this.#statement(literal.statement);
    const withs = literal.withs.map(
      ({ target, value }) => ` with ${this.term(target)} as ${this.term(value)}`,
    );
    return `${literal.negated ? "not " : ""}${statement}${withs.join("")}`;
  }

  /**
   * A line that begins with an operator would go on with the literal above it, and a body that begins with a union
   * would read as a comprehension.
   */
  #leading(term: Term): string {
    const text = this.term(term);
    return text.startsWith("-") || (beginsWithUnion(term) && !text.startsWith("(")) ? `(${text})` : text;
  }

  #statement(statement: Statement): string {
    switch (statement.kind) {
      case "expr":
        return this.#leading(statement.term);
      case "assign":
        return `${this.#leading(statement.left)} := ${this.term(statement.right)}`;
      case "unify":
        return `${this.#leading(statement.left)} = ${this.term(statement.right)}`;
      case "some":
        return `some ${statement.vars.map(({ name }) => name).join(", ")}`;
      case "someIn": {
        const key = statement.key === undefined ? "" : `${this.term(statement.key, 2)}, `;
        return `some ${key}${this.term(statement.value, 2)} in ${this.term(statement.collection)}`;
      }
      case "every":
        return `${this.#everyHead(statement)} { ${this.inlineBody(statement.body)} }`;
      case "block":
        return `{ ${this.inlineBody(statement.body)} }`;
      default:
        return `${this.#literal(statement.left)} ${statement.kind} ${this.#literal(statement.right)}`;
    }
  }
}

function beginsWithUnion(term: Term): boolean {
  if (term.kind !== "call" || term.infix === undefined) return false;
  const [first] = term.args;
  return term.infix === "|" || (first !== undefined && beginsWithUnion(first));
}

/** The rows where the bodies of a rule end, as far as the tree can tell: where the next part begins. */
function bodyEnds(rule: Rule): number[] {
  const bodies = rule.body === undefined ? [] : [rule.body, ...rule.chained];
  const starts = [
    ...bodies.map((body) => body[0]?.loc.row ?? rule.loc.row),
    ...rule.elses.map((clause) => clause.loc.row),
  ];
  return [...starts.slice(1), rule.loc.endRow];
}

function pathText(path: readonly string[]): string {
  const [first = "", ...rest] = path;
  return first + rest.map((step) => (isPlainName(step) ? `.${step}` : `[${JSON.stringify(step)}]`)).join("");
}
