import { RE2JS } from "re2js";
import { BudgetError } from "../errors.ts";
import { isArray, typeName, type Value } from "../value.ts";
import {
  type Builtin,
  type BuiltinContext,
  badOperand,
  badType,
  badValue,
  define,
  stringAt,
} from "./builtin.ts";
import { matcher } from "./regex.ts";
import { produced } from "./strings.ts";
import { anyOf, arrayOf } from "./types.ts";

/** The characters `*` and `?` do not cross: null is none, an empty list is the dot. */
function delimitersAt(args: readonly Value[], at: number): readonly string[] {
  const value = args[at];
  if (value === null) return [];
  if (!isArray(value)) throw badOperand(at, "one of {array, null}", value);
  const delimiters = value.items.map((item) => {
    if (typeof item !== "string")
      throw badType(`operand ${at + 1} must be array of strings but got ${typeName(item)}`);
    if ([...item].length !== 1) throw badType(`operand ${at + 1} must be array of single characters`);
    return item;
  });
  return delimiters.length === 0 ? ["."] : delimiters;
}

/** Turns a glob into a regular expression of the linear-time engine. */
class GlobTranslator {
  readonly #characters: readonly string[];
  /** One character that is no delimiter. */
  readonly #single: string;
  #at = 0;
  #level = 0;

  constructor(pattern: string, delimiters: readonly string[]) {
    this.#characters = [...pattern];
    this.#single = delimiters.length === 0 ? "." : `[^${delimiters.map(classCharacter).join("")}]`;
  }

  translate(): string {
    let out = "";
    while (this.#at < this.#characters.length) out += this.#item();
    if (this.#level > 0) throw badValue("a glob with an unclosed {");
    return `(?s)^(?:${out})$`;
  }

  #next(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw badValue("unexpected end of input in a glob");
    this.#at++;
    return character;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #item(): string {
    const character = this.#next();
    switch (character) {
      case "*":
        return this.#star();
      case "?":
        return this.#single;
      case "[":
        return this.#range();
      case "{":
        this.#level++;
        return "(?:";
      case "\\":
        return RE2JS.quote(this.#next());
      default:
        return this.#inTerms(character);
    }
  }

  #star(): string {
    if (this.#peek() !== "*") return `${this.#single}*`;
    this.#at++;
    return ".*";
  }

  #inTerms(character: string): string {
    if (this.#level === 0) return RE2JS.quote(character);
    if (character === ",") return "|";
    if (character !== "}") return RE2JS.quote(character);
    this.#level--;
    return ")";
  }

  /** `[a-z]` or `[abc]`, each negated by a leading `!`; the two forms do not mix. */
  #range(): string {
    const negated = this.#peek() === "!";
    if (negated) this.#at++;
    const first = this.#next();
    const body = this.#peek() === "-" ? this.#bounds(first) : this.#list(first);
    return `[${negated ? "^" : ""}${body}]`;
  }

  #bounds(low: string): string {
    this.#at++;
    const high = this.#next();
    if (this.#next() !== "]") throw badValue("a glob range that is not closed behind its upper bound");
    if (high < low) throw badValue("a glob range whose upper bound comes before its lower bound");
    return `${classCharacter(low)}-${classCharacter(high)}`;
  }

  #list(first: string): string {
    let body = "";
    for (let character = first; character !== "]"; character = this.#next())
      body += classCharacter(character === "\\" ? this.#next() : character);
    if (body === "") throw badValue("an empty range in a glob");
    return body;
  }
}

/** A character inside a class of a regular expression. */
function classCharacter(character: string): string {
  return "\\]^-[".includes(character) ? `\\${character}` : character;
}

function match(args: readonly Value[], ctx: BuiltinContext): boolean {
  const pattern = stringAt(args, 0);
  const delimiters = delimitersAt(args, 1);
  const subject = stringAt(args, 2);
  if (pattern.length > ctx.limits.regexPatternLength) throw new BudgetError("regexPatternLength");
  ctx.charge(1 + pattern.length);
  return matcher(new GlobTranslator(pattern, delimiters).translate(), subject, ctx).find();
}

function quoteMeta(text: string): string {
  // The backslash comes first, or it would escape the escapes.
  return [..."\\*?[]{}"].reduce((quoted, character) => quoted.replaceAll(character, `\\${character}`), text);
}

export const GLOB: readonly Builtin[] = [
  define("glob.match", ["string", anyOf("null", arrayOf("string")), "string"], "boolean", match),
  define("glob.quote_meta", ["string"], "string", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.charge(text.length >> 2);
    return produced(quoteMeta(text), ctx);
  }),
];
