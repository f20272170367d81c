import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import type { CompiledPolicy, PolicyOutcome, ReferenceValueLookup } from "../policy/policy-engine.ts";
import { ATTESTATION_RULE, EXTENSIONS_RULE } from "../policy/policy-names.ts";
import { annotate } from "./annotate.ts";
import { type Extensions, NO_EXTENSIONS, parseExtensions } from "./extensions.ts";
import type { InitData } from "./init-data.ts";
import {
  type AppraisalRequest,
  type Device,
  deviceOf,
  requestsOf,
  type VerificationRequest,
} from "./requests.ts";
import {
  parseTrustVector,
  statusOf,
  type TrustTier,
  type TrustVector,
  UNSET_VECTOR,
} from "./trust-vector.ts";
import type { Check, Tee, TeeClass, TeeResult, Verifier } from "./verifier.ts";

export type { AppraisalRequest, InitDataInput, RuntimeDataInput, VerificationRequest } from "./requests.ts";

/** One appraised device. */
export interface Submodule {
  /** Class and zero-based index: `cpu0`, `gpu1`. */
  readonly name: string;
  readonly tee: Tee;
  readonly teeClass: TeeClass;
  readonly status: TrustTier;
  readonly trustVector: TrustVector;
  /** Policy selector, without the class. */
  readonly policyId: string;
  /** Lower-case hex SHA-384 of the policy that was applied. */
  readonly policyHash: string;
  readonly annotatedEvidence: JsonObject;
  /** Members that the policy added, by name. */
  readonly extensions: JsonObject;
  /** Their labels in the CBOR form. */
  readonly extensionKeys: Readonly<Record<string, number>>;
}

/** The checks that one evidence passed. */
export interface DeviceChecks {
  readonly tee: Tee;
  readonly checks: readonly Check[];
}

export interface Evaluation {
  /** Never empty; in the order of the requests. */
  readonly submodules: readonly Submodule[];
  readonly devices: readonly DeviceChecks[];
}

export interface AttestationResult extends Evaluation {
  /** Set for guests of protocol 0.1.x, whose answers have another form. */
  readonly protocol: "0.1" | undefined;
}

/** Appraisal policies by selector and class. */
export interface AppraisalPolicies {
  attestationPolicy(
    id: string,
    teeClass: TeeClass,
  ): { readonly compiled: CompiledPolicy | undefined } | undefined;
}

export interface AppraiserDependencies {
  /** The TEEs that this server accepts. */
  readonly verifiers: ReadonlyMap<Tee, Verifier>;
  readonly policies: AppraisalPolicies;
  readonly referenceValues: ReferenceValueLookup;
  /** Selector of the policies where nobody chose another; the class is appended. */
  readonly policyId?: string;
  /** false leaves the list of devices out of policy input and token. */
  readonly verbose?: boolean;
  /**
   * A policy without `trust_claims` claims nothing instead of failing: eight zeros, status `none`, as the reference
   * implementation does it. For moving in policies that rely on it; a release policy must then look at the status.
   */
  readonly legacyMissingTrustClaims?: boolean;
  /** Hears of what is odd and changes nothing. */
  readonly onWarning?: (sentence: string) => void;
}

interface VerifiedDevice extends DeviceChecks {
  readonly device: Device;
  /** Vouched for by the evidence. */
  readonly initDataClaims: InitData["claims"] | null;
  readonly results: readonly TeeResult[];
}

/** One result with the policy that will judge it: all are there before the first is evaluated. */
interface Case extends Pick<VerifiedDevice, "device" | "initDataClaims"> {
  readonly name: string;
  readonly result: TeeResult;
  readonly policyId: string;
  readonly policy: CompiledPolicy;
}

const DEFAULT_POLICY_ID = "default";

/** The pipeline of the attestation service: bind, verify, annotate, apply policy. */
export class Appraiser {
  readonly #dependencies: AppraiserDependencies;

  constructor(dependencies: AppraiserDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Appraises the devices of a handshake.
   *
   * @throws EvidenceRejected, KbsError `evidence-rejected` | `collateral-unavailable`: a device did not verify
   * @throws KbsError `handshake-refused`: the init-data is unusable; `appraisal-failed`: a policy gave no judgement
   */
  async appraise(request: AppraisalRequest, signal: AbortSignal): Promise<AttestationResult> {
    const policyId = request.policyId ?? this.#dependencies.policyId ?? DEFAULT_POLICY_ID;
    const evaluation = await this.evaluate(requestsOf(request), [policyId], signal);
    return { ...evaluation, protocol: request.generation === "0.1" ? "0.1" : undefined };
  }

  /**
   * Every device must verify and every result must be appraised; otherwise there is no result at all, so that no
   * token ever speaks of a part of a guest. Policies and reference values are those of one moment.
   *
   * @param policyIds - the first one is applied; further ones, which the interfaces of the attestation service allow,
   *   are only remarked upon
   * @throws KbsError `malformed-request`: no request, or no policy; and as `appraise`
   */
  async evaluate(
    requests: readonly VerificationRequest[],
    policyIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Evaluation> {
    const policyId = this.#policyId(policyIds);
    if (requests.length === 0)
      throw new KbsError("malformed-request", "Malformed request: there is no evidence to evaluate.");
    const devices = requests.map(deviceOf);
    const verified: VerifiedDevice[] = [];
    for (const device of devices) verified.push(await this.#verify(device, signal));
    const cases = this.#cases(verified, policyId);
    const { referenceValues } = this.#dependencies;
    const submodules: Submodule[] = [];
    for (const each of cases) submodules.push(await this.#apply(each, referenceValues, signal));
    return { submodules, devices: verified.map(({ tee, checks }) => ({ tee, checks })) };
  }

  #policyId([policyId, ...more]: readonly string[]): string {
    if (policyId === undefined)
      throw new KbsError("malformed-request", "Malformed request: no policy is given.");
    if (more.length > 0)
      this.#dependencies.onWarning?.(
        `an evaluation named ${more.length + 1} policies; only the first, ${policyId}, was applied`,
      );
    return policyId;
  }

  async #verify(device: Device, signal: AbortSignal): Promise<VerifiedDevice> {
    const { tee, evidence, runtimeDataDigest, initDataDigest } = device;
    const verifier = this.#dependencies.verifiers.get(tee);
    if (verifier === undefined) throw notAccepted(tee);
    const expected = { runtimeDataDigest, initDataDigest };
    const { checks, results } = await verifier.verify(evidence, expected, signal);
    if (results.length === 0) throw new KbsError("internal", `The ${tee} verifier gave no result.`);
    return { tee, checks, device, results, initDataClaims: device.openInitData() };
  }

  /** Names every result and finds its policy. */
  #cases(verified: readonly VerifiedDevice[], policyId: string): readonly Case[] {
    const counters = new Map<TeeClass, number>();
    return verified.flatMap(({ device, initDataClaims, results }) =>
      results.map((result) => {
        const { teeClass } = result;
        const index = counters.get(teeClass) ?? 0;
        counters.set(teeClass, index + 1);
        const policy = this.#policy(policyId, teeClass);
        return { name: `${teeClass}${index}`, device, initDataClaims, result, policyId, policy };
      }),
    );
  }

  async #apply(each: Case, referenceValues: ReferenceValueLookup, signal: AbortSignal): Promise<Submodule> {
    const { name, device, initDataClaims, result, policyId, policy } = each;
    const { tee, runtimeDataClaims } = device;
    const { teeClass } = result;
    const verbose = this.#dependencies.verbose ?? true;
    const annotatedEvidence = annotate(result.claims, { tee, runtimeDataClaims, initDataClaims, verbose });
    const situation = { name: `${policyId}_${teeClass}`, policy, input: annotatedEvidence, referenceValues };
    const { trustVector, extensions } = await judge(situation, signal);
    return {
      name,
      tee,
      teeClass,
      status: statusOf(trustVector),
      trustVector,
      policyId,
      policyHash: policy.hash,
      annotatedEvidence,
      extensions: extensions.members,
      extensionKeys: extensions.keys,
    };
  }

  #policy(id: string, teeClass: TeeClass): CompiledPolicy {
    const stored = this.#dependencies.policies.attestationPolicy(id, teeClass);
    if (stored === undefined) throw failed(`there is no attestation policy ${id}_${teeClass}`);
    if (stored.compiled === undefined)
      throw failed(`the attestation policy ${id}_${teeClass} does not compile`);
    const claims = stored.compiled.entryPoints.includes(ATTESTATION_RULE);
    if (!claims && this.#dependencies.legacyMissingTrustClaims !== true)
      throw failed(`the attestation policy ${id}_${teeClass} has no rule ${ATTESTATION_RULE}`);
    return stored.compiled;
  }
}

/** A policy, what it judges, and what it may compare with. */
interface Situation {
  /** For messages: `default_cpu`. */
  readonly name: string;
  readonly policy: CompiledPolicy;
  readonly input: JsonObject;
  readonly referenceValues: ReferenceValueLookup;
}

interface Judgement {
  readonly trustVector: TrustVector;
  readonly extensions: Extensions;
}

/** A policy without `trust_claims` claims nothing; whether that is acceptable was asked when the policy was found. */
async function judge(situation: Situation, signal: AbortSignal): Promise<Judgement> {
  const { name, policy, input, referenceValues } = situation;
  const rules = [ATTESTATION_RULE, EXTENSIONS_RULE].filter((rule) => policy.entryPoints.includes(rule));
  const outcomes = await policy.evaluateAll(rules, { input, referenceValues }, signal);
  const answer = (rule: string): JsonValue | undefined => {
    const outcome = outcomes[rules.indexOf(rule)];
    return outcome === undefined ? undefined : definedValue(outcome, `${rule} of ${name}`);
  };
  const claims = answer(ATTESTATION_RULE);
  const extensions = answer(EXTENSIONS_RULE);
  return {
    trustVector: claims === undefined ? UNSET_VECTOR : parseTrustVector(claims),
    extensions: extensions === undefined ? NO_EXTENSIONS : parseExtensions(extensions),
  };
}

function definedValue(outcome: PolicyOutcome, what: string): JsonValue {
  if (outcome.kind === "value") return outcome.value;
  if (outcome.kind === "undefined") throw failed(`${what} is undefined for this evidence`);
  const reason = outcome.budget ? "exceeded its budget" : `failed (${outcome.code})`;
  throw failed(`${what} ${reason}`, new Error(outcome.message));
}

function notAccepted(tee: Tee): KbsError {
  return new KbsError("evidence-rejected", `${tee}: evidence of this kind is not accepted by this server.`, {
    extra: { tee, check: "tee-accepted" },
  });
}

function failed(reason: string, cause?: unknown): KbsError {
  return new KbsError(
    "appraisal-failed",
    `The evidence could not be appraised: ${reason}.`,
    cause === undefined ? {} : { cause },
  );
}
