/** Why each trustworthiness claim of an appraisal has its value: which rule gave it, and what was compared. */
import type { Submodule } from "../../attestation/appraise.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { ATTESTATION_RULE } from "../../policy/policy-names.ts";
import {
  type BranchReport,
  type EvaluationRequest,
  explainMembers,
  fromJson,
  type MemberReport,
  type SeenValue,
  type WhyNot,
} from "../../policy/rego/index.ts";
import { TRUST_CLAIMS, type TrustClaim, type TrustTier, tierOf } from "../../protocol/trust-tiers.ts";
import type { LocalPolicy } from "./appraise-policies.ts";
import type { OfflineReferenceValues } from "./reference-values.ts";

/** One condition, and what it looked at. */
export interface ConditionReport {
  /** `file.rego:61`. */
  readonly place: string;
  readonly text: string;
  readonly holds: boolean;
  readonly seen: readonly { readonly what: string; readonly value: string }[];
  /** Reference values that it compares with, by name. */
  readonly referenceValues: readonly {
    readonly name: string;
    readonly state: "registered" | "expired" | "unknown";
    readonly expiresAt?: string;
  }[];
}

/** One definition of the rule behind a claim. */
export interface DefinitionReport {
  readonly place: string;
  readonly result: "gave the value" | "did not apply";
  readonly conditions: readonly ConditionReport[];
}

export interface ClaimReport {
  readonly claim: TrustClaim;
  readonly value: number;
  readonly tier: TrustTier;
  /** `constant`: the policy always says so; `default`: no definition applied. */
  readonly source: "constant" | "rule" | "default" | "expression";
  /** Where the value stands, `file.rego:14`. */
  readonly place: string | undefined;
  readonly rule: string | undefined;
  readonly definitions: readonly DefinitionReport[];
  /** Definitions about evidence of other kinds, which are left out above. */
  readonly otherKinds: number;
}

/** Values of evidence are shown whole: a digest that is cut cannot be compared. */
const MAX_VALUE_LENGTH = 400;
const REFERENCE = /query_reference_value\("((?:[^"\\]|\\.)*)"\)/g;

/** In the order of the vector. */
export function explainClaims(
  { annotatedEvidence, trustVector }: Submodule,
  { policy }: LocalPolicy,
  values: OfflineReferenceValues,
  now: number,
): readonly ClaimReport[] {
  const request: EvaluationRequest = {
    input: annotatedEvidence,
    host: (_name, [id]) => fromJson(typeof id === "string" ? values.value(id) : null),
    nowNs: BigInt(Math.floor(now)) * 1_000_000n,
  };
  const { members, whole } = explainMembers(policy, ATTESTATION_RULE, request, {
    maxValueLength: MAX_VALUE_LENGTH,
  });
  const teller = new Teller(annotatedEvidence, values);
  return TRUST_CLAIMS.flatMap((claim) => {
    const value = trustVector[claim];
    if (value === undefined) return [];
    const member = members.find(({ name }) => name === claim);
    return [{ claim, value, tier: tierOf(value), ...teller.origin(member, whole) }];
  });
}

type Origin = Omit<ClaimReport, "claim" | "value" | "tier">;

class Teller {
  readonly #input: JsonObject;
  readonly #values: OfflineReferenceValues;
  /** Rules that turned out to be about other kinds of evidence: an explanation tells each rule once only. */
  readonly #others = new Set<string>();

  constructor(input: JsonObject, values: OfflineReferenceValues) {
    this.#input = input;
    this.#values = values;
  }

  /** A member that is not written down as one is explained by the whole rule. */
  origin(member: MemberReport | undefined, whole: WhyNot): Origin {
    const place = placeOf(member?.location);
    const nothing = { rule: undefined, definitions: [], otherKinds: 0 };
    if (member?.kind === "constant") return { ...nothing, source: "constant", place };
    if (member?.kind === "expression") return { ...nothing, source: "expression", place };
    return this.#ruleOrigin(member?.rule ?? whole);
  }

  #ruleOrigin(rule: WhyNot): Origin {
    const about = rule.branches.filter((branch) => !this.#isAboutOthers(branch));
    const given = about.find(({ result }) => result === "succeeded");
    const definitions = about
      .filter(({ result }) => result !== "not tried")
      .map((branch) => this.#definition(branch))
      .sort((left, right) => rank(left) - rank(right));
    return {
      source: given === undefined ? "default" : "rule",
      place: placeOf(given?.location ?? rule.defaultAt),
      rule: rule.rule,
      definitions,
      otherKinds: rule.branches.length - about.length,
    };
  }

  #definition(branch: BranchReport): DefinitionReport {
    const place = placeOf(branch.location) ?? "";
    if (branch.result === "succeeded")
      return {
        place,
        result: "gave the value",
        conditions: branch.held.flatMap(({ text, location, seen, because }) =>
          this.#conditions(text, placeOf(location) ?? "", true, seen, because),
        ),
      };
    const { literal, seen, because } = branch;
    const conditions =
      literal === undefined
        ? []
        : this.#conditions(literal.text, placeOf(literal.location) ?? "", false, seen, because);
    return { place, result: "did not apply", conditions };
  }

  /** The condition, and below it those of the rules that it asked. */
  #conditions(
    text: string,
    place: string,
    holds: boolean,
    seen: readonly SeenValue[],
    because: readonly WhyNot[],
  ): ConditionReport[] {
    const asked = new Set(because.map(({ rule }) => rule));
    const own: ConditionReport = {
      place,
      text,
      holds,
      seen: seen
        .filter((each) => !asked.has(each.text))
        .map((each) => ({ what: each.text, value: each.value ?? "not there" })),
      referenceValues: this.#referenceValues([text, ...seen.map((each) => each.text)]),
    };
    const behind = because.flatMap(({ branches }) =>
      branches
        .filter(({ result }) => result !== "not tried")
        .flatMap((branch) => this.#definition(branch).conditions),
    );
    return [own, ...behind.filter((each) => each.holds === holds)];
  }

  #referenceValues(texts: readonly string[]): ConditionReport["referenceValues"] {
    const names = new Set(
      texts.flatMap((text) => [...text.matchAll(REFERENCE)].map(([, name = ""]) => name)),
    );
    return [...names].map((name) => {
      const found = this.#values.state(name);
      return found.state === "expired"
        ? { name, state: found.state, expiresAt: found.expiresAt }
        : { name, state: found.state };
    });
  }

  /** A definition that fails because this evidence is of another kind than the one it is about. */
  #isAboutOthers({ result, seen, because, literal }: BranchReport): boolean {
    if (result === "succeeded") return false;
    if (literal !== undefined && this.#namesMissingKind([literal.text, ...seen.map(({ text }) => text)]))
      return true;
    for (const { rule, value, branches } of because)
      if (value === undefined && branches.length > 0 && branches.every((each) => this.#isNothingHere(each)))
        this.#others.add(rule);
    return seen.some(({ text, value }) => value === undefined && this.#leadsToOthers(text));
  }

  #leadsToOthers(text: string): boolean {
    return [...this.#others].some(
      (rule) => text === rule || (/^[.[]/.test(text.slice(rule.length)) && text.startsWith(rule)),
    );
  }

  /** Also `azure_snp := input["az-snp-vtpm"]`: a name for a part of the input that is not there. */
  #isNothingHere(branch: BranchReport): boolean {
    return this.#isAboutOthers(branch) || (branch.result === "no value" && branch.literal === undefined);
  }

  #namesMissingKind(texts: readonly string[]): boolean {
    return texts
      .flatMap((text) => [...text.matchAll(/\binput(?:\.([A-Za-z_]\w*)|\["([^"]+)"\])/g)])
      .some(([, plain, quoted]) => !Object.hasOwn(this.#input, plain ?? quoted ?? ""));
  }
}

function rank({ result }: DefinitionReport): number {
  return result === "gave the value" ? 0 : 1;
}

function placeOf(location: { readonly file: string; readonly row: number } | undefined): string | undefined {
  return location === undefined ? undefined : `${location.file}:${location.row}`;
}

/** As `--json` prints it. */
export function claimJson(report: ClaimReport): JsonValue {
  const { place, rule, ...rest } = report;
  // Strings, numbers and lists of them throughout; what is undefined is left out.
  return {
    ...rest,
    ...(place === undefined ? {} : { place }),
    ...(rule === undefined ? {} : { rule }),
  } as unknown as JsonValue;
}
