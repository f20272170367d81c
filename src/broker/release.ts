import { createHmac } from "node:crypto";
import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import type { Plugin, PluginAnswer, PluginRequest } from "../plugins/plugin.ts";
import type { CompiledPolicy, PolicyOutcome, ReferenceValueLookup } from "../policy/policy-engine.ts";
import { RESOURCE_RULE } from "../policy/policy-names.ts";
import { PROTOCOL_CLAIM } from "../tokens/ear.ts";
import { parsePointer, resolvePointer } from "../tokens/tee-key.ts";
import type { VerifiedToken } from "../tokens/verify.ts";
import { ConsultedValues } from "./consulted.ts";
import type { AnswerForm, TeeWrapper } from "./wrap.ts";

/** A policy at one moment; replaced as a whole, never changed. */
export interface ReleasePolicy {
  readonly name: string;
  readonly version: number;
  readonly compiled: CompiledPolicy | undefined;
}

/** Where decisions are written down. A record counts when `record` has returned. */
export interface AuditSink {
  /** @throws KbsError `audit-unavailable` */
  record(event: JsonObject & { readonly event: string }): Promise<void>;
}

type ReleaseOutcome = "released" | "denied" | "policy-error" | "failed";

export interface BrokerDependencies {
  /** Finds the policy that is closest to a path: repository, type, tag; empty for what is no resource. */
  readonly policies: { resourcePolicy(path: readonly string[]): ReleasePolicy | undefined };
  /** Whether the token may open this at all, whatever the release policy says; absent: every token may. */
  readonly mayOpen?: (token: VerifiedToken, plugin: string, path: readonly string[]) => boolean;
  readonly referenceValues?: ReferenceValueLookup;
  readonly wrapper: TeeWrapper;
  readonly audit: AuditSink;
  /**
   * Keys the fingerprints of secrets in the audit log, so that they show which version was released and whether two
   * are equal, and a reader of the log cannot try out passphrases. At least 16 bytes.
   */
  readonly fingerprintKey: Uint8Array;
}

export interface ReleaseRequest {
  /** Correlates answer, log and audit record. */
  readonly requestId: string;
  readonly plugin: Plugin;
  /** Without `initDataClaims`, which come from the token. */
  readonly request: Omit<PluginRequest, "initDataClaims">;
  readonly token: VerifiedToken;
  /** The guest's session is one of protocol 0.1.x; tokens of such guests say it themselves as well. */
  readonly legacyAnswer?: boolean;
}

export interface ReleaseAnswer {
  readonly contentType: string | undefined;
  /** Text for encrypted answers, bytes for others. */
  readonly body: string | Uint8Array;
}

interface Decision {
  readonly outcome: "allowed" | "denied" | "policy-error";
  /** Stable word for answer, log and audit record. */
  readonly reason: string;
  readonly cause?: unknown;
  /** What it rested on, for the audit record. */
  readonly basis?: JsonObject;
}

/** The one plugin whose paths have release policies of their own. */
const RESOURCE_PLUGIN = "resource";
const INIT_DATA_CLAIMS = parsePointer("/submods/cpu0/ear.veraison.annotated-evidence/init_data_claims");
/** A policy that keeps changing while one request is served is answered with "try again". */
const MAX_ATTEMPTS = 3;
const FINGERPRINT_BYTES = 16;
const MIN_FINGERPRINT_KEY_BYTES = 16;
/** Longest path in an audit record, in characters. */
const MAX_AUDITED_PATH = 512;

/**
 * The relying party: verified token → resource policy → secret → wrap. Decision and secret belong together: if the
 * policy was replaced between the decision and the reading of the secret, both are done again. The audit record is
 * durable before the answer exists.
 */
export class Broker {
  readonly #dependencies: BrokerDependencies;

  constructor(dependencies: BrokerDependencies) {
    if (dependencies.fingerprintKey.length < MIN_FINGERPRINT_KEY_BYTES)
      throw new RangeError("the fingerprint key is too short");
    this.#dependencies = dependencies;
  }

  /**
   * Releases what the plugin holds to the guest that the token speaks of.
   *
   * @throws KbsError `policy-denied` | `policy-error` (with member `reason`), `audit-unavailable`, `overloaded`,
   *   and whatever the plugin refuses with
   */
  async release(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseAnswer> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const policy = this.#policyFor(request);
      const decision = await this.#decide(policy, request, signal);
      if (decision.outcome !== "allowed") throw await this.#deny(request, policy, decision);
      const answer = await this.#obtain(request, policy, signal);
      if (isSame(this.#policyFor(request), policy))
        return await this.#answer(request, policy, decision, answer);
    }
    throw new KbsError("overloaded", "The resource policy is being changed; try again.", {
      retryAfterSeconds: 1,
    });
  }

  #policyFor({ plugin, request }: ReleaseRequest): ReleasePolicy | undefined {
    return this.#dependencies.policies.resourcePolicy(plugin.name === RESOURCE_PLUGIN ? request.path : []);
  }

  async #decide(
    policy: ReleasePolicy | undefined,
    { token, plugin, request }: ReleaseRequest,
    signal: AbortSignal,
  ): Promise<Decision> {
    if (policy?.compiled === undefined)
      return { outcome: "policy-error", reason: policy === undefined ? "no-policy" : "policy-unusable" };
    const { referenceValues, mayOpen } = this.#dependencies;
    if (mayOpen?.(token, plugin.name, request.path) === false)
      return { outcome: "denied", reason: "appraisal-policy" };
    const data = { plugin: plugin.name, "resource-path": request.path, query: request.query };
    const input = token.claims;
    if (referenceValues === undefined)
      return decisionOf(await policy.compiled.evaluate(RESOURCE_RULE, { input, data }, signal));
    const consulted = new ConsultedValues(referenceValues);
    const evaluation = { input, data, referenceValues: consulted.lookup };
    const decision = decisionOf(await policy.compiled.evaluate(RESOURCE_RULE, evaluation, signal));
    return { ...decision, basis: consulted.record() };
  }

  async #deny(
    request: ReleaseRequest,
    policy: ReleasePolicy | undefined,
    { outcome, reason, cause, basis }: Decision,
  ): Promise<KbsError> {
    const denied = outcome === "denied";
    await this.#record(request, policy, denied ? "denied" : "policy-error", { reason, ...basis });
    const options = { extra: { reason }, ...(cause === undefined ? {} : { cause }) };
    return denied
      ? new KbsError("policy-denied", "Access denied by policy", options)
      : new KbsError("policy-error", "Access denied: the resource policy could not decide.", options);
  }

  /** Asks the plugin; what it refuses is written down as well. */
  async #obtain(
    request: ReleaseRequest,
    policy: ReleasePolicy | undefined,
    signal: AbortSignal,
  ): Promise<PluginAnswer> {
    const initDataClaims = resolvePointer(request.token.claims, INIT_DATA_CLAIMS);
    try {
      return await request.plugin.handle({ ...request.request, initDataClaims }, signal);
    } catch (error) {
      await this.#record(request, policy, "failed", { reason: codeOf(error) });
      throw error;
    }
  }

  async #answer(
    request: ReleaseRequest,
    policy: ReleasePolicy | undefined,
    { basis }: Decision,
    answer: PluginAnswer,
  ): Promise<ReleaseAnswer> {
    const { token } = request;
    const form = request.legacyAnswer === true ? "quasi-jwe" : answerForm(token.claims);
    // Wrapped before it is recorded, so that no record speaks of a release that a bad key prevented.
    const body = answer.encrypted
      ? this.#dependencies.wrapper.wrap(answer.body, token.teePublicKey, form)
      : answer.body;
    await this.#record(request, policy, "released", {
      reason: "allowed",
      secretFingerprint: this.#fingerprint(answer.body),
      encrypted: answer.encrypted,
      ...basis,
    });
    return { body, contentType: answer.encrypted ? "application/json" : answer.contentType };
  }

  #fingerprint(secret: Uint8Array): string {
    return createHmac("sha256", this.#dependencies.fingerprintKey)
      .update(secret)
      .digest()
      .toString("hex", 0, FINGERPRINT_BYTES);
  }

  async #record(
    { requestId, plugin, request, token }: ReleaseRequest,
    policy: ReleasePolicy | undefined,
    outcome: ReleaseOutcome,
    more: JsonObject,
  ): Promise<void> {
    await this.#dependencies.audit.record({
      event: "release",
      requestId,
      outcome,
      plugin: plugin.name,
      method: request.method,
      path: request.path.join("/").slice(0, MAX_AUDITED_PATH),
      tokenIssuer: token.issuer,
      submods: statuses(token.claims),
      policy: policy?.name ?? null,
      policyHash: policy?.compiled?.hash ?? null,
      policyVersion: policy?.version ?? null,
      ...more,
    });
  }
}

function isSame(left: ReleasePolicy | undefined, right: ReleasePolicy | undefined): boolean {
  return (
    left?.name === right?.name &&
    left?.version === right?.version &&
    left?.compiled?.hash === right?.compiled?.hash
  );
}

/** Only the boolean true releases; every other answer is kept apart by its reason. */
function decisionOf(outcome: PolicyOutcome): Decision {
  if (outcome.kind === "undefined") return { outcome: "denied", reason: "undefined" };
  if (outcome.kind === "value") {
    if (outcome.value === true) return { outcome: "allowed", reason: "allowed" };
    return { outcome: "denied", reason: outcome.value === false ? "false" : "not-boolean" };
  }
  return {
    outcome: "policy-error",
    reason: outcome.budget ? "budget-exceeded" : "evaluation-error",
    cause: new Error(`${outcome.code}: ${outcome.message}`),
  };
}

/** Guests of protocol 0.1.x are told by the mark that their token got here; see `earClaims`. */
function answerForm(claims: JsonObject): AnswerForm {
  return member(claims, PROTOCOL_CLAIM) === "0.1" ? "quasi-jwe" : "jwe";
}

const MAX_AUDITED_SUBMODS = 32;

/** Status per submodule, for the record; a foreign token may have none. */
function statuses(claims: JsonObject): JsonObject {
  const submods = member(claims, "submods");
  if (!isObject(submods)) return {};
  return Object.fromEntries(
    Object.entries(submods)
      .slice(0, MAX_AUDITED_SUBMODS)
      .map(([name, submod]): [string, JsonValue] => [name, statusText(submod)]),
  );
}

function statusText(submod: JsonValue): string | null {
  const status = isObject(submod) ? member(submod, "ear.status") : undefined;
  return typeof status === "string" ? status.slice(0, MAX_AUDITED_SUBMODS) : null;
}

function codeOf(error: unknown): string {
  return error instanceof KbsError ? error.code : "internal";
}
