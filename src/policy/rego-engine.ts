/**
 * The house's policy engine: Rego, with reference values as a host function. The evaluator is synchronous and the
 * store of reference values is not, so what a policy asks for is fetched first: the ids that stand in its text in
 * one go, computed ones when the evaluation meets them.
 */
import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { JsonValue } from "../json/value.ts";
import { UPLOAD_PROFILES } from "./lint-profiles.ts";
import type {
  CompiledPolicy,
  EvaluationRequest,
  Finding,
  PolicyEngine,
  PolicyModule,
  PolicyOutcome,
  ReferenceValueLookup,
  ReferenceValueUses,
} from "./policy-engine.ts";
import {
  compilePolicy,
  explain,
  fromJson,
  type HostFunction,
  type Limits,
  NeedHostValue,
  type Outcome,
  type Policy,
  type EvaluationRequest as RegoRequest,
  renderWhyNot,
  type Value,
} from "./rego/index.ts";

/** `query_reference_value(id)`: the provisioned value, or null when there is none. */
export const QUERY_REFERENCE_VALUE: HostFunction = {
  name: "query_reference_value",
  arity: 1,
  params: ["string"],
  result: "any",
};

/** Computed ids may depend on each other's values; more rounds than this are a policy gone astray. */
const MAX_ROUNDS = 8;
/** Compiled policies kept, whoever uploaded them. A policy of 400 lines takes about a megabyte. */
const MAX_CACHED = 128;

export interface RegoEngineOptions {
  /** Milliseconds since 1970, fractions allowed. */
  readonly now: () => number;
  readonly randomBytes?: (count: number) => Uint8Array;
  readonly limits?: Partial<Limits>;
  /** `parse-only` accepts any text that parses, for moving a deployment that never checked its policies. */
  readonly checks?: "strict" | "parse-only";
}

interface Compilation {
  readonly policy?: CompiledPolicy;
  readonly findings: readonly Finding[];
}

export class RegoEngine implements PolicyEngine {
  readonly #options: RegoEngineOptions;
  readonly #compiled: LRUCache<string, Compilation> = new LRUCache({ max: MAX_CACHED });

  constructor(options: RegoEngineOptions) {
    this.#options = options;
  }

  compile(modules: readonly PolicyModule[], options: { readonly dialect?: "v0" | "v1" } = {}): Compilation {
    const id = JSON.stringify([options.dialect ?? "v1", modules.map(({ file, text }) => [file, text])]);
    const known = this.#compiled.get(id);
    if (known !== undefined) return known;
    const result = this.#compile(modules, options.dialect);
    this.#compiled.set(id, result);
    return result;
  }

  #compile(modules: readonly PolicyModule[], dialect: "v0" | "v1" | undefined): Compilation {
    const { policy, findings } = compilePolicy(modules, {
      host: [QUERY_REFERENCE_VALUE],
      lint: UPLOAD_PROFILES,
      ...(dialect === undefined ? {} : { dialect }),
      checks: this.#options.checks ?? "strict",
      ...(this.#options.limits === undefined ? {} : { limits: this.#options.limits }),
    });
    return policy === undefined
      ? { findings }
      : { policy: new HostedPolicy(policy, this.#options), findings };
  }
}

class HostedPolicy implements CompiledPolicy {
  readonly hash: string;
  readonly entryPoints: readonly string[];
  readonly #policy: Policy;
  readonly #options: RegoEngineOptions;
  readonly #constantIds: ReadonlySet<string>;
  #uses: ReferenceValueUses | undefined;

  constructor(policy: Policy, options: RegoEngineOptions) {
    this.hash = policy.hash;
    this.entryPoints = policy.entryPoints;
    this.#policy = policy;
    this.#options = options;
    const ids = policy.hostArguments.get(QUERY_REFERENCE_VALUE.name) ?? [];
    this.#constantIds = new Set(ids.filter((id) => typeof id === "string"));
  }

  get referenceValues(): ReferenceValueUses {
    this.#uses ??= usesOf(this.#policy);
    return this.#uses;
  }

  async evaluate(rulePath: string, request: EvaluationRequest, signal: AbortSignal): Promise<PolicyOutcome> {
    const [outcome] = await this.evaluateAll([rulePath], request, signal);
    return outcome ?? failure("eval_internal_error", "the evaluation gave no outcome");
  }

  async evaluateAll(
    rulePaths: readonly string[],
    request: EvaluationRequest,
    signal: AbortSignal,
  ): Promise<readonly PolicyOutcome[]> {
    const answers = new ReferenceValues(request.referenceValues, signal);
    const evaluation: RegoRequest = {
      input: fromJson(request.input),
      data: request.data ?? {},
      host: (_name, [id]) => (typeof id === "string" ? answers.get(id) : undefined),
      nowNs: BigInt(Math.floor(this.#options.now() * 1_000)) * 1_000n,
      randomBytes: this.#options.randomBytes ?? randomBytes,
      cancelled: () => signal.aborted,
    };
    try {
      await answers.fetch(this.#constantIds);
      const outcomes: PolicyOutcome[] = [];
      for (const path of rulePaths)
        outcomes.push(await this.#rounds(path, evaluation, answers, request.explain === true));
      return outcomes;
    } catch (error) {
      if (error instanceof LookupFailure)
        return rulePaths.map(() => failure("eval_builtin_error", error.message));
      if (signal.aborted)
        return rulePaths.map(() => failure("eval_cancel_error", "the caller gave up on the evaluation"));
      throw error;
    }
  }

  async #rounds(
    rulePath: string,
    evaluation: RegoRequest,
    answers: ReferenceValues,
    explaining: boolean,
  ): Promise<PolicyOutcome> {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      try {
        const outcome = this.#policy.evaluate(rulePath, evaluation);
        const explanation = explaining ? this.#explain(rulePath, evaluation, outcome) : undefined;
        return toPolicyOutcome(outcome, explanation);
      } catch (error) {
        if (!(error instanceof NeedHostValue)) throw error;
        await answers.fetch(new Set(error.args.filter((id) => typeof id === "string")));
      }
    }
    return failure(
      "eval_budget_error",
      `the policy computes reference value ids in more than ${MAX_ROUNDS} rounds`,
    );
  }

  /** Only where the answer is no: another run, with probes, over the same answers. */
  #explain(rulePath: string, evaluation: RegoRequest, outcome: Outcome): string | undefined {
    const isNo = outcome.kind === "undefined" || (outcome.kind === "value" && outcome.value === false);
    return isNo ? renderWhyNot(explain(this.#policy, rulePath, evaluation).whyNot) : undefined;
  }
}

function usesOf(policy: Policy): ReferenceValueUses {
  const { uses, computed } = policy.hostUses(QUERY_REFERENCE_VALUE.name);
  return {
    uses: uses.map(({ argument, shape, location }) => ({ name: argument, shape, row: location.row })),
    computed,
  };
}

/** Reference values could not be looked up, for a reason that is told in public words. */
class LookupFailure extends Error {}

/** One evaluation's view of the reference values: each is read once, so two calls cannot disagree. */
class ReferenceValues {
  readonly #lookup: ReferenceValueLookup | undefined;
  readonly #signal: AbortSignal;
  /** What was asked, and the answers as they came: a policy names dozens of values and asks for a few of them. */
  readonly #batches: { readonly ids: ReadonlySet<string>; readonly found: ReadonlyMap<string, JsonValue> }[] =
    [];
  /** Converted when a policy comes to ask. */
  readonly #values: Map<string, Value> = new Map();

  constructor(lookup: ReferenceValueLookup | undefined, signal: AbortSignal) {
    this.#lookup = lookup;
    this.#signal = signal;
  }

  get(id: string): Value | undefined {
    const known = this.#values.get(id);
    if (known !== undefined) return known;
    const batch = this.#batches.find(({ ids }) => ids.has(id));
    if (batch === undefined) return undefined;
    const value = fromJson(batch.found.get(id) ?? null);
    this.#values.set(id, value);
    return value;
  }

  async fetch(ids: ReadonlySet<string>): Promise<void> {
    if (ids.size === 0) return;
    if (this.#lookup === undefined)
      throw new LookupFailure("query_reference_value: no reference values are available here");
    this.#batches.push({ ids, found: await this.#ask(this.#lookup, [...ids]) });
  }

  async #ask(lookup: ReferenceValueLookup, ids: readonly string[]): Promise<ReadonlyMap<string, JsonValue>> {
    try {
      return await lookup(ids, this.#signal);
    } catch (cause) {
      throw new LookupFailure("query_reference_value: the reference values could not be read", { cause });
    }
  }
}

function failure(code: string, message: string, prints: readonly string[] = []): PolicyOutcome {
  return { kind: "error", code, message, budget: code === "eval_budget_error", prints };
}

function toPolicyOutcome(outcome: Outcome, explanation: string | undefined): PolicyOutcome {
  const { prints } = outcome.stats;
  const told = explanation === undefined ? {} : { explanation };
  if (outcome.kind === "undefined") return { kind: "undefined", ...told, prints };
  if (outcome.kind === "error") return failure(outcome.error.code, messageOf(outcome.error), prints);
  return { kind: "value", value: outcome.value as JsonValue, ...told, prints }; // `toJson` makes nothing else
}

function messageOf(error: Extract<Outcome, { kind: "error" }>["error"]): string {
  const { location, message } = error;
  return location === undefined ? message : `${location.file}:${location.row}:${location.col}: ${message}`;
}
