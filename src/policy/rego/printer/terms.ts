/** Terms as Rego source. What was written over several lines stays so. */

import { isPlainName } from "../analysis/tree.ts";
import {
  type Body,
  type CallTerm,
  type ComprehensionTerm,
  operatorName,
  type RefTerm,
  type ScalarTerm,
  type TemplateTerm,
  type Term,
} from "../ast.ts";

const PRECEDENCE: Readonly<Record<string, number>> = {
  in: 1,
  "==": 2,
  "!=": 2,
  "<": 2,
  "<=": 2,
  ">": 2,
  ">=": 2,
  "|": 3,
  "&": 4,
  "+": 5,
  "-": 5,
  "*": 6,
  "/": 6,
  "%": 6,
};
/** Binds tighter than every operator: a term that stands alone. */
const ALONE = 7;

export class TermPrinter {
  #indent = 0;

  /** Prints deeper by one tab. */
  protected indented<T>(print: () => T): T {
    this.#indent += 1;
    const result = print();
    this.#indent -= 1;
    return result;
  }

  protected get margin(): string {
    return "\t".repeat(this.#indent);
  }

  /** How a body reads inside a term: on one line. */
  protected inlineBody(_body: Body): string {
    throw new Error("bodies are printed by the subclass");
  }

  /** @param minimum - operators that bind less tightly get parentheses */
  term(term: Term, minimum = 0): string {
    switch (term.kind) {
      case "scalar":
        return scalarText(term);
      case "var":
        return term.name;
      case "ref":
        return this.#ref(term);
      case "call":
        return this.#call(term, minimum);
      case "array":
        return this.#list(
          "[",
          term.items.map((item) => this.#element(item)),
          "]",
          isMultiline(term),
          term,
        );
      case "set":
        if (term.items.length === 0) return "set()";
        return this.#list(
          "{",
          term.items.map((item) => this.#element(item)),
          "}",
          isMultiline(term),
          term,
        );
      case "object":
        return this.#object(term);
      case "template":
        return this.#template(term);
      default:
        return this.#comprehension(term);
    }
  }

  #object(term: Extract<Term, { kind: "object" }>): string {
    const print = (): string[] =>
      term.entries.map(([name, value]) => `${this.#element(name)}: ${this.#element(value)}`);
    const multiline = isMultiline(term) && term.entries.length > 0;
    return this.#join("{", multiline ? this.indented(print) : print(), "}", multiline);
  }

  /** A union directly in brackets would read as a comprehension. */
  #element(term: Term): string {
    return this.term(term, term.kind === "call" && term.infix === "|" ? ALONE : 2);
  }

  #list(open: string, items: readonly string[], close: string, multiline: boolean, term: Term): string {
    const wanted = multiline && items.length > 0;
    if (!wanted || (term.kind !== "array" && term.kind !== "set"))
      return this.#join(open, items, close, false);
    const inner = this.indented(() => term.items.map((item) => this.#element(item)));
    return this.#join(open, inner, close, true);
  }

  #join(open: string, items: readonly string[], close: string, multiline: boolean): string {
    if (!multiline) return `${open}${items.join(", ")}${close}`;
    const margin = `${this.margin}\t`;
    return `${open}\n${items.map((item) => `${margin}${item},\n`).join("")}${this.margin}${close}`;
  }

  #ref(term: RefTerm): string {
    return this.term(term.head, ALONE) + this.steps(term.path);
  }

  protected steps(path: readonly Term[]): string {
    return path
      .map((step) => {
        const isName = step.kind === "scalar" && typeof step.value === "string" && step.raw !== true;
        return isName && isPlainName(String(step.value)) ? `.${step.value}` : `[${this.term(step, 1)}]`;
      })
      .join("");
  }

  #call(term: CallTerm, minimum: number): string {
    const { infix, args } = term;
    if (infix === undefined) {
      const operator = term.operator.kind === "var" ? term.operator.name : (operatorText(this, term) ?? "");
      return `${operator}(${args.map((arg) => this.term(arg, 1)).join(", ")})`;
    }
    const text = this.#infix(infix, args);
    const [only] = args;
    if (args.length === 1 && only !== undefined) return text;
    const own = args.length === 3 ? 0 : (PRECEDENCE[infix] ?? ALONE);
    return own < minimum || (args.length === 3 && minimum > 0) ? `(${text})` : text;
  }

  #infix(infix: string, args: readonly Term[]): string {
    const [first, second, third] = args;
    if (first === undefined) return infix;
    if (second === undefined) return `-${this.term(first, ALONE)}`;
    const own = PRECEDENCE[infix] ?? ALONE;
    if (third !== undefined)
      return `${this.term(first, 2)}, ${this.term(second, 2)} in ${this.term(third, 2)}`;
    return `${this.term(first, own)} ${infix} ${this.term(second, own + 1)}`;
  }

  #comprehension(term: ComprehensionTerm): string {
    const value = this.term(term.value, ALONE);
    const key = term.key === undefined ? "" : `${this.#element(term.key)}: `;
    const [open, close] = term.kind === "arrayCompr" ? ["[", "]"] : ["{", "}"];
    return `${open}${key}${value} | ${this.inlineBody(term.body)}${close}`;
  }

  #template(term: TemplateTerm): string {
    const parts = term.parts.map((part) => {
      if (typeof part !== "string") return `{${this.term(part)}}`;
      const text = term.raw ? part : JSON.stringify(part).slice(1, -1);
      return text.replaceAll("{", "\\{").replaceAll("}", "\\}");
    });
    const quote = term.raw ? "`" : '"';
    return `$${quote}${parts.join("")}${quote}`;
  }
}

function operatorText(printer: TermPrinter, term: CallTerm): string | undefined {
  return operatorName(term.operator) === undefined || term.operator.kind === "var"
    ? undefined
    : printer.term(term.operator);
}

function isMultiline(term: Term): boolean {
  return term.loc.endRow > term.loc.row;
}

function scalarText(term: ScalarTerm): string {
  if (typeof term.value !== "string") return term.text ?? String(term.value);
  return term.raw === true ? `\`${term.value}\`` : JSON.stringify(term.value);
}
