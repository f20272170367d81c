/**
 * Where our engine and OPA may differ, each with its reason. Whatever is not written here is a fault of ours, and
 * the differential test fails.
 *
 * What the generator does not write, because the engines differ by intent:
 * - undefined operands of a call under `not`: OPA evaluates the operands before the negation, so the whole literal is
 *   undefined; for us, and for the language as described, `not` succeeds when its expression has no value
 * - a body that is `not true` alone before a computed head value: OPA drops it and the rule succeeds
 * - integers written with an exponent: OPA keeps the text (`1e2`), prints it and does not take it for an integer
 * - two values for one path in a document that other rules read: which of several errors comes first, or whether a
 *   failed literal hides it, depends on the order of evaluation
 * - a variable bound late and read in a nested body before it: OPA's order of passes decides whether it is unsafe
 * - `replace` of an empty text: OPA works between bytes, we between characters
 * - arrays of base documents asked for an element by text: OPA's store takes `"0"` for an index
 * - fractions together with integers beyond 2^53: OPA's fractions have 64 bits, ours are doubles
 * - a variable as a step of a reference beside a comprehension that uses it too: OPA calls it unsafe
 * - functions replaced by references without a value, or after `every`: OPA looks at them late, or refuses them
 */
import type { Finding, Outcome } from "../../src/policy/rego/index.ts";
import { agree } from "../support/opa-answers.ts";
import type { OpaAnswer, OpaError } from "../support/opa-server.ts";

/** Errors that OPA raises for a text that we accept with a warning. */
export const ACCEPTED_WITH_WARNING: readonly { readonly why: string; readonly matches: RegExp }[] = [
  {
    why: "types are told as warnings: a comparison that never matches is no reason to refuse a policy",
    matches: /^rego_type_error: /,
  },
  {
    why: "an unused `some` variable is told as a warning",
    matches: /^rego_compile_error: (declared|assigned) var \w+ unused$/,
  },
  {
    why: "a wildcard inside a negated expression means `there is none`, with a warning",
    matches: /^rego_unsafe_var_error: var _ is unsafe$/,
  },
];

/** Why OPA's refusal of a text that we accept is in order, or undefined when it is not. */
export function whyAccepted(errors: readonly OpaError[]): string | undefined {
  const reasons = errors
    .filter(({ message }) => message !== "error limit reached")
    .map(({ code, message }) =>
      ACCEPTED_WITH_WARNING.find(({ matches }) => matches.test(`${code}: ${message}`)),
    );
  return reasons.every((reason) => reason !== undefined) ? reasons[0]?.why : undefined;
}

/** Why our refusal of a text that OPA accepts is in order, or undefined when it is not. */
export function whyRefused(_findings: readonly Finding[]): string | undefined {
  return undefined;
}

/** Why an answer may differ although nothing failed, or undefined. */
export function whyAnswerDiffers(opa: OpaAnswer): string | undefined {
  if (opa.kind === "error" && opa.errors.every(isUnfinished)) {
    return "OPA fails on a comprehension beside a reference that binds its variable, which we evaluate";
  }
  return undefined;
}

/**
 * Why two answers may differ when failing built-ins end an evaluation. The lenient answers are compared without
 * exception; here only the failure itself may be seen by one engine and not by the other.
 */
export function whyStrictDiffers(strict: Outcome, lenient: Outcome, opa: OpaAnswer): string | undefined {
  if (agree(strict, opa)) return undefined;
  if (opa.kind === "error" && opa.errors.every(({ message }) => message.includes("json.patch: "))) {
    return "json.patch is undefined when an operation fails, and no error";
  }
  if (isBuiltinFailure(strict) && agree(lenient, opa)) {
    return "OPA evaluates in another order (index, operands first) and does not come to the failing built-in";
  }
  const theirsFailed = opa.kind === "error" && opa.errors.every(isBuiltinError);
  if (theirsFailed && isConflict(strict))
    return "of several errors each engine tells the first that it meets";
  if (theirsFailed && lenient.stats.diagnostics.length === 0) {
    return "we evaluate in another order (operands as written) and do not come to the failing built-in";
  }
  return undefined;
}

function isUnfinished({ code, message }: OpaError): boolean {
  return code === "eval_internal_error" && message.includes("that requires evaluation");
}

function isBuiltinFailure(outcome: Outcome): boolean {
  return outcome.kind === "error" && isBuiltinError(outcome.error);
}

function isBuiltinError({ code }: { readonly code: string }): boolean {
  return code === "eval_builtin_error" || code === "eval_type_error";
}

function isConflict(outcome: Outcome): boolean {
  return outcome.kind === "error" && outcome.error.code === "eval_conflict_error";
}

/** The differences that the generator leaves out, one example each: rules of a package `gen`, asked for as `p`. */
export const LEFT_OUT: readonly { readonly rules: string; readonly ours: unknown; readonly opa: unknown }[] =
  [
    { rules: 'p if not startswith(input.none, "a")', ours: true, opa: undefined },
    { rules: "p if not input.none < 3", ours: true, opa: undefined },
    { rules: "p := count([1]) if not true", ours: undefined, opa: 1 },
    { rules: 'p := data.base.numbers["0"]', ours: undefined, opa: 3 },
    { rules: 'p := base64.encode(replace("ä", "", "-"))', ours: "LcOkLQ==", opa: "LcMtpC0=" },
    { rules: "p := json.marshal([1e2])", ours: "[100]", opa: "[1e2]" },
    { rules: 'p := substring("abc", 1e0, 1)', ours: "b", opa: undefined },
    { rules: "p := (9007199254740992 + 0.5) - 9007199254740992", ours: 0, opa: 0.5 },
    {
      rules: "c := 1\nc := 2 if input.one\np if [c, input.none]",
      ours: "eval_conflict_error",
      opa: undefined,
    },
  ];
