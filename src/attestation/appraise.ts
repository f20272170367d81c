import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import type { CompiledPolicy, PolicyOutcome, ReferenceValueLookup } from "../policy/policy-engine.ts";
import { ATTESTATION_RULE } from "../policy/policy-names.ts";
import type { Generation, KbsAttestation } from "../protocol/handshake.ts";
import { annotate } from "./annotate.ts";
import { type RuntimeDataHash, runtimeDataClaims, runtimeDataDigest } from "./binding.ts";
import { type InitData, type ReceivedInitData, receiveInitData } from "./init-data.ts";
import { parseTrustVector, statusOf, type TrustTier, type TrustVector } from "./trust-vector.ts";
import type { Check, Tee, TeeClass, TeeResult, Verifier } from "./verifier.ts";

/** What a handshake brings to be appraised. */
export interface AppraisalRequest {
  /** The TEE that the guest named when it asked for the challenge. */
  readonly tee: Tee;
  readonly generation: Generation;
  /** Text of this session's challenge. That the guest returned the same one is the session's business. */
  readonly nonce: string;
  readonly runtimeDataHash: RuntimeDataHash;
  readonly attestation: KbsAttestation;
}

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
  readonly extensions: JsonObject;
}

/** The checks that one evidence passed. */
export interface DeviceChecks {
  readonly tee: Tee;
  readonly checks: readonly Check[];
}

export interface AttestationResult {
  /** Never empty; the primary device first. */
  readonly submodules: readonly Submodule[];
  readonly devices: readonly DeviceChecks[];
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
  /** Selector of the policies; the class is appended. */
  readonly policyId?: string;
  /** false leaves the list of devices out of policy input and token. */
  readonly verbose?: boolean;
}

/** One evidence with everything it must be bound to. */
interface Device {
  readonly tee: Tee;
  readonly evidence: JsonValue;
  readonly runtimeData: JsonObject;
  readonly initData: ReceivedInitData | undefined;
}

interface VerifiedDevice extends DeviceChecks {
  readonly device: Device;
  /** Vouched for by the evidence. */
  readonly initData: InitData | undefined;
  readonly results: readonly TeeResult[];
}

interface VerifiedResult extends Pick<VerifiedDevice, "device" | "initData"> {
  readonly result: TeeResult;
}

const EXTENSIONS_RULE = "data.policy.extensions";
const DEFAULT_POLICY_ID = "default";
const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;

/** The pipeline of the attestation service: bind, verify, annotate, apply policy. */
export class Appraiser {
  readonly #dependencies: AppraiserDependencies;

  constructor(dependencies: AppraiserDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Every device must verify and every result must be appraised; otherwise there is no result at all, so that no
   * token ever speaks of a part of a guest.
   *
   * @throws EvidenceRejected, KbsError `evidence-rejected` | `collateral-unavailable`: a device did not verify
   * @throws KbsError `handshake-refused`: the init-data is unusable; `appraisal-failed`: a policy gave no judgement
   */
  async appraise(request: AppraisalRequest, signal: AbortSignal): Promise<AttestationResult> {
    const verified: VerifiedDevice[] = [];
    for (const device of devicesOf(request)) {
      verified.push(await this.#verify(device, request.runtimeDataHash, signal));
    }
    const submodules: Submodule[] = [];
    const counters = new Map<TeeClass, number>();
    for (const { device, initData, results } of verified) {
      for (const result of results) {
        const index = counters.get(result.teeClass) ?? 0;
        counters.set(result.teeClass, index + 1);
        submodules.push(await this.#apply({ device, initData, result }, index, signal));
      }
    }
    return {
      submodules,
      devices: verified.map(({ tee, checks }) => ({ tee, checks })),
      protocol: request.generation === "0.1" ? "0.1" : undefined,
    };
  }

  async #verify(device: Device, hash: RuntimeDataHash, signal: AbortSignal): Promise<VerifiedDevice> {
    const { tee } = device;
    const verifier = this.#dependencies.verifiers.get(tee);
    if (verifier === undefined) throw notAccepted(tee);
    const expected = {
      runtimeDataDigest: runtimeDataDigest(device.runtimeData, hash),
      initDataDigest: device.initData?.digest,
    };
    const { checks, results } = await verifier.verify(device.evidence, expected, signal);
    if (results.length === 0) throw new KbsError("internal", `The ${tee} verifier gave no result.`);
    return { tee, checks, device, results, initData: device.initData?.open() };
  }

  async #apply(verified: VerifiedResult, index: number, signal: AbortSignal): Promise<Submodule> {
    const { device, initData, result } = verified;
    const { tee } = device;
    const { teeClass } = result;
    const policyId = this.#dependencies.policyId ?? DEFAULT_POLICY_ID;
    const policy = this.#policy(policyId, teeClass);
    const annotatedEvidence = annotate(result.claims, {
      tee,
      runtimeDataClaims: device.runtimeData,
      initDataClaims: initData?.claims ?? null,
      verbose: this.#dependencies.verbose ?? true,
    });
    const name = `${policyId}_${teeClass}`;
    const claims = await this.#evaluate(policy, ATTESTATION_RULE, annotatedEvidence, name, signal);
    const trustVector = parseTrustVector(claims);
    const extensions = policy.entryPoints.includes(EXTENSIONS_RULE)
      ? parseExtensions(await this.#evaluate(policy, EXTENSIONS_RULE, annotatedEvidence, name, signal))
      : {};
    return {
      name: `${teeClass}${index}`,
      tee,
      teeClass,
      status: statusOf(trustVector),
      trustVector,
      policyId,
      policyHash: policy.hash,
      annotatedEvidence,
      extensions,
    };
  }

  #policy(id: string, teeClass: TeeClass): CompiledPolicy {
    const stored = this.#dependencies.policies.attestationPolicy(id, teeClass);
    if (stored === undefined) throw failed(`there is no attestation policy ${id}_${teeClass}`);
    if (stored.compiled === undefined)
      throw failed(`the attestation policy ${id}_${teeClass} does not compile`);
    if (!stored.compiled.entryPoints.includes(ATTESTATION_RULE))
      throw failed(`the attestation policy ${id}_${teeClass} has no rule ${ATTESTATION_RULE}`);
    return stored.compiled;
  }

  async #evaluate(
    policy: CompiledPolicy,
    rule: string,
    input: JsonObject,
    name: string,
    signal: AbortSignal,
  ): Promise<JsonValue> {
    const { referenceValues } = this.#dependencies;
    return definedValue(
      await policy.evaluate(rule, { input, referenceValues }, signal),
      `${rule} of ${name}`,
    );
  }
}

/** The devices in the order of the text, the primary one first; only it vouches for the list and for init-data. */
function devicesOf({ attestation, generation, nonce, tee }: AppraisalRequest): readonly Device[] {
  const { teePublicKey, additional, initData } = attestation;
  const primary: Device = {
    tee,
    evidence: attestation.primaryEvidence,
    runtimeData: runtimeDataClaims({
      nonce,
      teePublicKey,
      additionalEvidence: generation === "0.4" ? attestation.additionalEvidence : undefined,
    }),
    initData: initData === undefined ? undefined : receiveInitData(initData.body),
  };
  const runtimeData = runtimeDataClaims({ nonce, teePublicKey, additionalEvidence: undefined });
  const names = new Set(additional.map((each) => each.tee));
  if (names.size !== additional.length)
    throw new KbsError("handshake-refused", "The additional evidence names a TEE twice.");
  return [primary, ...additional.map((each) => ({ ...each, runtimeData, initData: undefined }))];
}

function definedValue(outcome: PolicyOutcome, what: string): JsonValue {
  if (outcome.kind === "value") return outcome.value;
  if (outcome.kind === "undefined") throw failed(`${what} is undefined for this evidence`);
  const reason = outcome.budget ? "exceeded its budget" : `failed (${outcome.code})`;
  throw failed(`${what} ${reason}`, new Error(outcome.message));
}

/** `data.policy.extensions`: a list of `{name, key, value}`; `key` is the label in the CBOR form. */
function parseExtensions(value: JsonValue): JsonObject {
  if (!isArray(value)) throw failed("`extensions` is not a list");
  const members = new Map<string, JsonValue>();
  const keys = new Set<number>();
  for (const entry of value) {
    const { name, key, content } = parseExtension(entry);
    if (members.has(name) || keys.has(key)) throw failed("`extensions` has a name or key twice");
    members.set(name, content);
    keys.add(key);
  }
  return Object.fromEntries(members);
}

/** Members of an appraisal that only the pipeline sets. */
const RESERVED = new Set([
  "ear.status",
  "ear.trustworthiness-vector",
  "ear.appraisal-policy-id",
  "ear.veraison.annotated-evidence",
]);

function parseExtension(entry: JsonValue): { name: string; key: number; content: JsonValue } {
  if (!isObject(entry)) throw failed("an element of `extensions` is not an object");
  const name = member(entry, "name");
  const key = member(entry, "key");
  const content = member(entry, "value");
  if (typeof name !== "string" || name === "" || RESERVED.has(name))
    throw failed("an element of `extensions` has no usable name");
  if (typeof key !== "number" || !Number.isInteger(key) || key < MIN_INT32 || key > MAX_INT32)
    throw failed("an element of `extensions` has no key of 32 bits");
  if (content === undefined || Object.keys(entry).length !== 3)
    throw failed("an element of `extensions` has other members than name, key and value");
  return { name, key, content };
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
