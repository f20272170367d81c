import { RE2JS, RE2JSException } from "re2js";
import type { Limits } from "../budget.ts";
import { BudgetError } from "../errors.ts";
import { badValue } from "./builtin.ts";
import { patternSize } from "./regex-size.ts";

/** Patterns kept compiled; one policy rarely has more, and evidence must not be able to grow it. */
const MAX_ENTRIES = 256;
/** Instructions of one pattern, and of all that are kept. An instruction takes about a hundred bytes. */
const MAX_PROGRAM = 10_000;
const MAX_TOTAL = 200_000;

/** Compiled patterns of one policy, least recently used out first. The engine is linear in the subject. */
export class RegexCache {
  readonly #compiled = new Map<string, RE2JS>();
  #total = 0;

  /** @throws BuiltinError for a malformed pattern, BudgetError for one that is too long */
  compile(pattern: string, limits: Limits): RE2JS {
    const known = this.#compiled.get(pattern);
    if (known !== undefined) {
      this.#compiled.delete(pattern);
      this.#compiled.set(pattern, known);
      return known;
    }
    if (pattern.length > limits.regexPatternLength || patternSize(pattern) > MAX_PROGRAM)
      throw new BudgetError("regexPatternLength");
    const compiled = compile(pattern);
    this.#compiled.set(pattern, compiled);
    this.#total += compiled.programSize();
    this.#evict();
    return compiled;
  }

  #evict(): void {
    for (const [oldest, compiled] of this.#compiled) {
      if (this.#compiled.size <= MAX_ENTRIES && this.#total <= MAX_TOTAL) return;
      this.#compiled.delete(oldest);
      this.#total -= compiled.programSize();
    }
  }
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    if (error instanceof RE2JSException) throw badValue(`error parsing regexp: ${error.message}`);
    throw error;
  }
}
