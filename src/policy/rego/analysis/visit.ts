/** Walks everything a clause consists of, nested bodies included. */
import type {
  Call,
  Comprehension,
  IBody,
  IClause,
  ILiteral,
  IStatement,
  ITerm,
  IWith,
  Reference,
} from "./ir.ts";

export class ClauseVisitor {
  /** Called for each reference, before its parts. */
  reference(_term: Reference): void {}
  call(_term: Call): void {}
  /** Called for each replacement of a function by a function. */
  replacement(_modifier: IWith): void {}
  literalFound(_literal: ILiteral): void {}

  clause(clause: IClause): void {
    for (const term of [...clause.args, ...clause.suffix]) this.term(term);
    for (const branch of clause.branches) {
      this.body(branch.body);
      if (branch.value !== undefined) this.term(branch.value);
    }
  }

  body(body: IBody): void {
    for (const literal of body.literals) this.literal(literal);
  }

  literal(literal: ILiteral): void {
    this.literalFound(literal);
    for (const modifier of literal.withs) {
      if (modifier.replacement.kind === "value") this.term(modifier.replacement.term);
      else this.replacement(modifier);
    }
    this.statement(literal.statement);
  }

  statement(statement: IStatement): void {
    switch (statement.k) {
      case "nothing":
        break;
      case "term":
        this.term(statement.term);
        break;
      case "unify":
        this.term(statement.left);
        this.term(statement.right);
        break;
      case "relation":
        this.term(statement.call);
        this.term(statement.output);
        break;
      case "someIn":
        if (statement.key !== undefined) this.term(statement.key);
        this.term(statement.value);
        this.term(statement.collection);
        break;
      case "every":
        this.term(statement.domain);
        this.body(statement.body);
        break;
      case "print":
        for (const arg of statement.args) this.term(arg);
        break;
      case "block":
        this.body(statement.body);
        break;
      default:
        this.body(statement.left);
        this.body(statement.right);
    }
  }

  term(term: ITerm): void {
    switch (term.t) {
      case "array":
      case "set":
        for (const item of term.items) this.term(item);
        break;
      case "object":
        for (const pair of term.entries) for (const part of pair) this.term(part);
        break;
      case "ref":
        this.reference(term);
        if (typeof term.root !== "string") this.term(term.root);
        for (const step of term.path) this.term(step);
        break;
      case "call":
        this.call(term);
        for (const arg of term.args) this.term(arg);
        break;
      case "compr":
        this.#comprehension(term);
        break;
      case "template":
        for (const part of term.parts) if (typeof part !== "string") this.#comprehension(part);
        break;
      default:
        break;
    }
  }

  #comprehension(term: Comprehension): void {
    if (term.key !== undefined) this.term(term.key);
    this.term(term.value);
    this.body(term.body);
  }
}

class Calls extends ClauseVisitor {
  readonly #visit: (call: Call) => void;

  constructor(visit: (call: Call) => void) {
    super();
    this.#visit = visit;
  }

  override call(term: Call): void {
    this.#visit(term);
  }
}

export function visitClauseCalls(clause: IClause, visit: (call: Call) => void): void {
  new Calls(visit).clause(clause);
}
