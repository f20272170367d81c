import { RE2JS, RE2JSException } from "re2js";
import type { Limits } from "../budget.ts";
import { BudgetError } from "../errors.ts";
import { badValue } from "./builtin.ts";

/** Patterns kept compiled; one policy rarely has more, and evidence must not be able to grow it. */
const MAX_ENTRIES = 256;

/** Compiled patterns of one policy, least recently used out first. The engine is linear in the subject. */
export class RegexCache {
  readonly #compiled = new Map<string, RE2JS>();

  /** @throws BuiltinError for a malformed pattern, BudgetError for one that is too long */
  compile(pattern: string, limits: Limits): RE2JS {
    const known = this.#compiled.get(pattern);
    if (known !== undefined) {
      this.#compiled.delete(pattern);
      this.#compiled.set(pattern, known);
      return known;
    }
    if (pattern.length > limits.regexPatternLength) throw new BudgetError("regexPatternLength");
    const compiled = compile(pattern);
    this.#compiled.set(pattern, compiled);
    this.#evict();
    return compiled;
  }

  #evict(): void {
    for (const oldest of this.#compiled.keys()) {
      if (this.#compiled.size <= MAX_ENTRIES) return;
      this.#compiled.delete(oldest);
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
