/** A place in policy text. Rows and columns count from 1, columns in code points; the end is exclusive. */
export interface Location {
  readonly file: string;
  readonly row: number;
  readonly col: number;
  readonly endRow: number;
  readonly endCol: number;
}

export type ParseErrorCode = "rego_parse_error";

export type CompileErrorCode =
  | "rego_compile_error"
  | "rego_unsafe_var_error"
  | "rego_recursion_error"
  | "rego_type_error";

export type EvalErrorCode =
  | "eval_conflict_error"
  | "eval_builtin_error"
  | "eval_type_error"
  | "eval_with_merge_error"
  | "eval_internal_error"
  | "eval_cancel_error"
  | "eval_budget_error";

/** Text that is not Rego. */
export class RegoParseError extends Error {
  override readonly name = "RegoParseError";
  readonly code: ParseErrorCode = "rego_parse_error";
  readonly location: Location;

  constructor(message: string, location: Location) {
    super(message);
    this.location = location;
  }
}

/** Rego that cannot be given a meaning: unsafe variables, conflicts, recursion, unknown functions. */
export class RegoCompileError extends Error {
  override readonly name = "RegoCompileError";
  readonly code: CompileErrorCode;
  readonly location: Location;

  constructor(code: CompileErrorCode, message: string, location: Location) {
    super(message);
    this.code = code;
    this.location = location;
  }
}

/** An evaluation that ended without an answer. `rulePath` is the rule that was being evaluated. */
export class RegoEvalError extends Error {
  override readonly name = "RegoEvalError";
  readonly code: EvalErrorCode;
  readonly location: Location | undefined;
  readonly rulePath: string | undefined;

  constructor(code: EvalErrorCode, message: string, location?: Location, rulePath?: string) {
    super(message);
    this.code = code;
    this.location = location;
    this.rulePath = rulePath;
  }
}

/**
 * What a built-in function throws for a bad argument. `eval_type_error`: an operand of the wrong type;
 * `eval_builtin_error`: a bad value of the right type. Strict evaluation stops, lenient evaluation makes the
 * literal undefined.
 */
export class BuiltinError extends Error {
  override readonly name = "BuiltinError";
  readonly code: "eval_builtin_error" | "eval_type_error";

  constructor(code: "eval_builtin_error" | "eval_type_error", message: string) {
    super(message);
    this.code = code;
  }
}

/** A limit of the evaluation was exceeded. Stops the evaluation in every mode; the caller denies. */
export class BudgetError extends Error {
  override readonly name = "BudgetError";
  /** The name of the exceeded limit, a member of `Limits`. */
  readonly limit: string;

  constructor(limit: string) {
    super(`evaluation exceeds its limit "${limit}"`);
    this.limit = limit;
  }
}

/** Text for a message: evidence in error messages is cut, because messages end up in logs. */
export function shorten(text: string, max = 64): string {
  const points = [...text.slice(0, max * 2 + 2)];
  return points.length <= max && text.length <= max * 2 ? text : `${points.slice(0, max).join("")}…`;
}
