/** What can be seen in the text alone: keys that stand twice, imports that nothing uses. */
import type { Body, ElseClause, Literal, Module, Rule, Statement, Term } from "../ast.ts";
import { key } from "../compare.ts";
import { sourceForm } from "../text.ts";
import type { Warn } from "./profile.ts";

export function lintSource(modules: readonly Module[], warn: Warn): void {
  for (const module of modules) {
    const names = new Set<string>();
    new SourceVisitor(names, warn).module(module);
    reportUnusedImports(module, names, warn);
  }
}

function reportUnusedImports(module: Module, names: ReadonlySet<string>, warn: Warn): void {
  for (const { path, alias, loc } of module.imports) {
    const [root] = path;
    const name = alias ?? path.at(-1) ?? "";
    if (root === "rego" || root === "future" || path.length === 1 || names.has(name)) continue;
    warn("unused_import", `import ${path.join(".")} is not used`, loc);
  }
}

/** Notes every name that is mentioned, and reports repeated keys on the way. */
class SourceVisitor {
  readonly #names: Set<string>;
  readonly #warn: Warn;

  constructor(names: Set<string>, warn: Warn) {
    this.#names = names;
    this.#warn = warn;
  }

  module(module: Module): void {
    for (const rule of module.rules) this.#rule(rule);
  }

  #rule({ head, body, elses, chained }: Rule): void {
    this.#terms([...head.path, ...(head.args ?? []), head.contains, head.value]);
    for (const own of [body, ...chained]) if (own !== undefined) this.#body(own);
    for (const clause of elses) this.#else(clause);
  }

  #else({ value, body }: ElseClause): void {
    this.#terms([value]);
    if (body !== undefined) this.#body(body);
  }

  #body(body: Body): void {
    for (const literal of body) this.#literal(literal);
  }

  #literal({ statement, withs }: Literal): void {
    this.#statement(statement);
    this.#terms(withs.flatMap(({ target, value }) => [target, value]));
  }

  #statement(statement: Statement): void {
    switch (statement.kind) {
      case "expr":
        this.#term(statement.term);
        break;
      case "assign":
      case "unify":
        this.#terms([statement.left, statement.right]);
        break;
      case "some":
        break;
      case "someIn":
        this.#terms([statement.key, statement.value, statement.collection]);
        break;
      case "every":
        this.#term(statement.domain);
        this.#body(statement.body);
        break;
      case "block":
        this.#body(statement.body);
        break;
      default:
        this.#literal(statement.left);
        this.#literal(statement.right);
    }
  }

  #terms(terms: readonly (Term | undefined)[]): void {
    for (const term of terms) if (term !== undefined) this.#term(term);
  }

  #term(term: Term): void {
    switch (term.kind) {
      case "scalar":
        break;
      case "var":
        this.#names.add(term.name);
        break;
      case "ref":
        this.#terms([term.head, ...term.path]);
        break;
      case "call":
        this.#terms([term.operator, ...term.args]);
        break;
      case "array":
      case "set":
        this.#terms(term.items);
        break;
      case "object":
        this.#object(term.entries);
        break;
      case "template":
        this.#terms(term.parts.filter((part) => typeof part !== "string"));
        break;
      default:
        this.#terms([term.key, term.value]);
        this.#body(term.body);
    }
  }

  /** Of a repeated key only the last value counts, which nobody means. */
  #object(entries: readonly (readonly [Term, Term])[]): void {
    const seen = new Set<string>();
    for (const [name, value] of entries) {
      this.#terms([name, value]);
      if (name.kind !== "scalar") continue;
      const id = key(name.value);
      if (seen.has(id)) this.#warn("duplicate_key", `key ${sourceForm(name.value)} stands twice`, name.loc);
      seen.add(id);
    }
  }
}
