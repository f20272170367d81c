import { BudgetError } from "../errors.ts";
import { walkingSteps } from "../shape.ts";
import { MAX_TEXT_LENGTH, sourceForm, TextBuffer } from "../text.ts";
import type { Value } from "../value.ts";
import { arrayAt, type Builtin, type BuiltinContext, define, stringAt } from "./builtin.ts";
import { type Directive, type Formattable, formatArgument, typeOf } from "./format-verbs.ts";
import { ARRAY } from "./types.ts";

/**
 * `sprintf`: the verbs, flags and error texts of Go's `fmt`. It never fails on a bad format; the text says what
 * was wrong instead.
 */
export function sprintf(format: string, args: readonly Value[], ctx: BuiltinContext): string {
  const formatter = new Formatter(format, args, ctx);
  const text = formatter.run();
  ctx.stringBytes(text.length);
  ctx.charge((text.length >> 6) + args.length);
  return text;
}

/** Numbers and strings format as such; everything else formats as the text of its Rego source. */
function formattable(value: Value, ctx: BuiltinContext): Formattable {
  if (typeof value === "bigint") return beyondDoubles(value) ?? value;
  if (typeof value === "string" || typeof value === "number") return value;
  ctx.charge(walkingSteps(value) * 4);
  return sourceForm(value, Math.min(MAX_TEXT_LENGTH, ctx.limits.stringLength));
}

/** A number that only an exponent can have written: OPA formats it as the text of its literal. */
function beyondDoubles(value: bigint): string | undefined {
  if (Number.isFinite(Number(value))) return undefined;
  const digits = String(value);
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  return digits.length - end > 20 ? `${digits.slice(0, end)}e${digits.length - end}` : undefined;
}

class Formatter {
  readonly #format: string;
  readonly #args: readonly Value[];
  readonly #ctx: BuiltinContext;
  readonly #out: TextBuffer;
  #at = 0;
  #next = 0;
  #reordered = false;
  /** Whether the `[n]` of the current directive was usable. */
  #goodIndex = true;

  constructor(format: string, args: readonly Value[], ctx: BuiltinContext) {
    this.#format = format;
    this.#args = args;
    this.#ctx = ctx;
    this.#out = new TextBuffer(ctx.limits.stringLength);
  }

  run(): string {
    while (this.#at < this.#format.length) {
      const percent = this.#format.indexOf("%", this.#at);
      const end = percent < 0 ? this.#format.length : percent;
      this.#out.append(this.#format.slice(this.#at, end));
      this.#at = end + 1;
      if (percent >= 0) this.#directive();
    }
    if (!this.#reordered) this.#extra();
    return this.#out.text;
  }

  #directive(): void {
    this.#ctx.charge(10);
    this.#goodIndex = true;
    const directive: Directive = this.#flags();
    let indexed = this.#index();
    if (this.#format[this.#at] === "*") {
      this.#starWidth(directive);
      indexed = false;
    } else {
      const start = this.#at;
      directive.width = this.#number();
      if (indexed && this.#at > start) this.#goodIndex = false;
    }
    if (this.#format[this.#at] === ".") indexed = this.#precision(directive, indexed);
    if (!indexed) this.#index();
    this.#verb(directive);
  }

  #flags(): Directive {
    const directive: Directive = { flags: new Set(), width: undefined, precision: undefined };
    while ("+-# 0".includes(this.#format.charAt(this.#at)) && this.#at < this.#format.length) {
      directive.flags.add(this.#format.charAt(this.#at));
      this.#at++;
    }
    return directive;
  }

  #starWidth(directive: Directive): void {
    this.#at++;
    const width = this.#starArgument();
    if (width === undefined) this.#out.append("%!(BADWIDTH)");
    else if (width < 0) {
      directive.flags.add("-");
      directive.flags.delete("0");
    }
    directive.width = width === undefined ? undefined : this.#bounded(Math.abs(width));
  }

  /** @returns whether an argument index came directly before the verb */
  #precision(directive: Directive, indexed: boolean): boolean {
    this.#at++;
    if (indexed) this.#goodIndex = false;
    const again = this.#index();
    if (this.#format[this.#at] !== "*") {
      directive.precision = this.#number() ?? 0;
      return again;
    }
    this.#at++;
    const precision = this.#starArgument();
    if (precision === undefined) this.#out.append("%!(BADPREC)");
    directive.precision = precision === undefined || precision < 0 ? undefined : this.#bounded(precision);
    return false;
  }

  #starArgument(): number | undefined {
    const value = this.#args[this.#next];
    if (this.#next < this.#args.length) this.#next++;
    return typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= 1e6 ? value : undefined;
  }

  #number(): number | undefined {
    const start = this.#at;
    let value = 0;
    for (; this.#at < this.#format.length; this.#at++) {
      const digit = this.#format.charCodeAt(this.#at) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = this.#bounded(value * 10 + digit);
    }
    return this.#at === start ? undefined : value;
  }

  #bounded(size: number): number {
    if (size > this.#ctx.limits.formatWidth) throw new BudgetError("formatWidth");
    return size;
  }

  /** Reads `[n]`, which selects the next argument. @returns whether there was one */
  #index(): boolean {
    if (this.#format[this.#at] !== "[") return false;
    this.#reordered = true;
    const close = this.#format.indexOf("]", this.#at);
    if (close < 0) {
      this.#goodIndex = false;
      this.#at++;
      return false;
    }
    const index = readIndex(this.#format.slice(this.#at + 1, close));
    this.#at = close + 1;
    if (index === undefined || index < 1 || index > this.#args.length) this.#goodIndex = false;
    else this.#next = index - 1;
    return true;
  }

  #verb(directive: Directive): void {
    const code = this.#format.codePointAt(this.#at);
    if (code === undefined) {
      this.#out.append("%!(NOVERB)");
      return;
    }
    const verb = String.fromCodePoint(code);
    this.#at += verb.length;
    if (verb === "%") this.#out.append("%");
    else if (!this.#goodIndex) this.#out.append(`%!${verb}(BADINDEX)`);
    else if (this.#next >= this.#args.length) this.#out.append(`%!${verb}(MISSING)`);
    else
      this.#out.append(
        formatArgument(verb, directive, formattable(this.#args[this.#next++] ?? null, this.#ctx)),
      );
  }

  #extra(): void {
    const unused = this.#args.slice(this.#next);
    if (unused.length === 0) return;
    let separator = "%!(EXTRA ";
    for (const value of unused) {
      this.#ctx.charge(10);
      const argument = formattable(value, this.#ctx);
      const text = formatArgument(
        "v",
        { flags: new Set(), width: undefined, precision: undefined },
        argument,
      );
      this.#out.append(`${separator}${typeOf(argument)}=${text}`);
      separator = ", ";
    }
    this.#out.append(")");
  }
}

function readIndex(text: string): number | undefined {
  if (text === "" || text.length > 6) return undefined;
  for (const character of text) if (character < "0" || character > "9") return undefined;
  return Number(text);
}

export const SPRINTF: readonly Builtin[] = [
  define("sprintf", ["string", ARRAY], "string", (args, ctx) =>
    sprintf(stringAt(args, 0), arrayAt(args, 1).items, ctx),
  ),
];
