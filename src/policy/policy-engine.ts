import type { JsonObject, JsonValue } from "../json/value.ts";

/** A remark about policy text, at a place in it. Rows and columns count from 1, columns in code points. */
export interface Finding {
  readonly severity: "error" | "warning";
  readonly code: string;
  readonly message: string;
  readonly file: string;
  readonly row: number;
  readonly col: number;
  readonly endRow: number;
  readonly endCol: number;
}

export interface PolicyModule {
  readonly file: string;
  readonly text: string;
}

/** Values by name, null for those that nobody provides. */
export interface ReferenceValueAnswers extends ReadonlyMap<string, JsonValue> {
  /** Names whose null stands for a value that is there and has expired. */
  readonly expired?: ReadonlySet<string>;
}

/**
 * Answers `query_reference_value(id)`: the provisioned value, or null when the name is unknown or expired.
 * A store that cannot answer throws, which denies.
 */
export type ReferenceValueLookup = (
  ids: readonly string[],
  signal: AbortSignal,
) => Promise<ReferenceValueAnswers>;

export interface EvaluationRequest {
  readonly input: JsonObject;
  readonly data?: JsonObject;
  readonly referenceValues?: ReferenceValueLookup;
  /** Also find out, for a false or undefined answer, which literal failed in every definition. Slow; for people. */
  readonly explain?: boolean;
}

/** Four ways not to get a value are kept apart: undefined, error, budget, and (by the caller) the wrong type. */
export type PolicyOutcome =
  | {
      readonly kind: "value";
      readonly value: JsonValue;
      readonly explanation?: string;
      readonly prints: readonly string[];
    }
  | { readonly kind: "undefined"; readonly explanation?: string; readonly prints: readonly string[] }
  | {
      readonly kind: "error";
      readonly code: string;
      readonly message: string;
      readonly budget: boolean;
      readonly prints: readonly string[];
    };

/** What a policy needs a reference value to be. `any`: nothing is known. */
export type ReferenceValueShape =
  | "collection"
  | "single"
  | "number"
  | "boolean"
  | "string"
  | "object"
  | "any";

/** One place in a policy where a reference value is used. */
export interface ReferenceValueUse {
  readonly name: string;
  readonly shape: ReferenceValueShape;
  /** Of the policy's text, from 1. */
  readonly row: number;
}

export interface ReferenceValueUses {
  readonly uses: readonly ReferenceValueUse[];
  /** Some name is computed, so that the policy may ask for others as well. */
  readonly computed: boolean;
}

/** Compiled once, immutable, shared by all requests. */
export interface CompiledPolicy {
  /** Lower-case hex SHA-384 over the module texts and the dialect. */
  readonly hash: string;
  /** Absolute rule paths that can be asked for, say `data.policy.allow`. */
  readonly entryPoints: readonly string[];
  /** Which reference values the text asks for, and in which shape; an engine that cannot tell leaves it out. */
  readonly referenceValues?: ReferenceValueUses;
  /** @param rulePath - `data.policy.allow` */
  evaluate(rulePath: string, request: EvaluationRequest, signal: AbortSignal): Promise<PolicyOutcome>;
  /** Several rules over one input, one moment, and one answer to each question for a reference value. */
  evaluateAll(
    rulePaths: readonly string[],
    request: EvaluationRequest,
    signal: AbortSignal,
  ): Promise<readonly PolicyOutcome[]>;
}

/** A policy language. Replaceable as a whole. */
export interface PolicyEngine {
  /** Never throws on any text: what is wrong with it stands in `findings`, and then `policy` is absent. */
  compile(
    modules: readonly PolicyModule[],
    options?: { readonly dialect?: "v0" | "v1" },
  ): { readonly policy?: CompiledPolicy; readonly findings: readonly Finding[] };
}
