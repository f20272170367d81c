import type { EnrolmentStatus } from "../attestation/formats/tpm2/ak-registry.ts";
import type {
  ReferenceValue,
  ReferenceValues,
  Registration,
} from "../attestation/reference-values/reference-values.ts";
import type { Enrolments, KnownAk } from "../enrolment/enrolments.ts";
import { KbsError } from "../errors.ts";
import type { JsonValue } from "../json/value.ts";
import { attestationPolicyFault, isResourcePolicy, policyKind } from "../policy/policy-names.ts";
import { referenceValueUses } from "../policy/reference-value-advice.ts";
import type { ShippedDifference } from "../policy/shipped-difference.ts";
import type { PolicySnapshot, StoredPolicies } from "../policy/stored-policies.ts";
import { parseResourcePath, type ResourcePath } from "../protocol/resource-path.ts";
import type { SecretStore } from "../secrets/secret-store.ts";
import {
  parseAttestationPolicyUpload,
  parseReferenceValueUpload,
  parseResourcePolicyUpload,
} from "./uploads.ts";

export interface AdministrationDependencies {
  readonly secrets: SecretStore;
  readonly policies: StoredPolicies;
  readonly referenceValues: ReferenceValues;
  /** `undefined`: machines cannot be enrolled here. */
  readonly enrolments?: Enrolments | undefined;
}

export type ListedReferenceValue = ReferenceValue & {
  readonly expired: boolean;
  /** Policies in force whose text asks for it. */
  readonly usedBy: readonly string[];
};

/** Most names one answer lists. */
const MAX_LISTED = 100_000;

/**
 * What administrators can do, without HTTP and without the question who may: callers have asked
 * `authenticateAdmin` and `authoriseAdmin`, and see to the audit record.
 */
export class Administration {
  readonly #parts: AdministrationDependencies;

  constructor(parts: AdministrationDependencies) {
    this.#parts = parts;
  }

  /**
   * @param segments - repository, type, tag
   * @throws KbsError `resource-path-invalid`, `conflict`, `storage-unavailable`
   */
  async setResource(
    segments: readonly string[],
    value: Uint8Array,
    options: { readonly overwrite: boolean },
    signal: AbortSignal,
  ): Promise<ResourcePath> {
    const path = parseResourcePath(segments);
    const outcome = await this.#parts.secrets.put(path, value, options, signal);
    if (outcome === "exists") throw new KbsError("conflict", `${path} exists already and was left as it is.`);
    return path;
  }

  /** @throws KbsError `resource-path-invalid`, `not-found`, `storage-unavailable` */
  async deleteResource(segments: readonly string[], signal: AbortSignal): Promise<ResourcePath> {
    const path = parseResourcePath(segments);
    if (!(await this.#parts.secrets.delete(path, signal))) throw absent(`There is no secret at ${path}`);
    return path;
  }

  /** Sorted. @throws KbsError `storage-unavailable`, also when there are more than an answer may hold */
  async listResources(signal: AbortSignal): Promise<readonly ResourcePath[]> {
    const paths: ResourcePath[] = [];
    for await (const path of this.#parts.secrets.list(signal)) {
      if (paths.length >= MAX_LISTED)
        throw new KbsError(
          "overloaded",
          `There are more than ${MAX_LISTED} secrets, too many to list at once.`,
        );
      paths.push(path);
    }
    return paths.sort();
  }

  /**
   * @param body - the call's body, see `parseResourcePolicyUpload`
   * @throws KbsError `policy-invalid` with `findings`, `storage-unavailable`
   */
  async setResourcePolicy(body: Uint8Array, by: string, signal: AbortSignal): Promise<PolicySnapshot> {
    const { name, text } = parseResourcePolicyUpload(body);
    return this.#parts.policies.put(name, text, by, signal);
  }

  /** Ids of release policies: the general one, and those of single repositories. */
  listResourcePolicies(): readonly string[] {
    return this.#names("resource");
  }

  /** @throws KbsError `not-found` */
  getResourcePolicy(id: string): PolicySnapshot {
    return this.#policy(isResourcePolicy(id) ? id : undefined, id);
  }

  /** Afterwards the shipped policy holds, or the general one for a repository. @throws KbsError `not-found`, `storage-unavailable` */
  async deleteResourcePolicy(id: string, signal: AbortSignal): Promise<void> {
    await this.#deletePolicy(isResourcePolicy(id) ? id : undefined, id, signal);
  }

  /**
   * @param body - the call's body, see `parseAttestationPolicyUpload`
   * @throws KbsError `policy-invalid` with `findings`, `storage-unavailable`
   */
  async setAttestationPolicy(body: Uint8Array, by: string, signal: AbortSignal): Promise<PolicySnapshot> {
    const { name, text } = parseAttestationPolicyUpload(body);
    return this.#parts.policies.put(name, text, by, signal);
  }

  listAttestationPolicies(): readonly string[] {
    return this.#names("attestation");
  }

  /** @throws KbsError `not-found` */
  getAttestationPolicy(id: string): PolicySnapshot {
    return this.#policy(attestationPolicyFault(id) === undefined ? id : undefined, id);
  }

  /** Afterwards the shipped policy of that name holds, if there is one. @throws KbsError `not-found`, `storage-unavailable` */
  async deleteAttestationPolicy(id: string, signal: AbortSignal): Promise<void> {
    await this.#deletePolicy(attestationPolicyFault(id) === undefined ? id : undefined, id, signal);
  }

  /** Appraisal policies that differ from the shipped ones they stand in place of. */
  attestationPolicyDifferences(): readonly ShippedDifference[] {
    return this.#parts.policies.differences().filter(({ name }) => policyKind(name) === "attestation");
  }

  /** @returns `undefined` when the policy is the shipped one. @throws KbsError `not-found` */
  attestationPolicyDifference(id: string): ShippedDifference | undefined {
    return this.#parts.policies.difference(this.getAttestationPolicy(id).name);
  }

  /**
   * @param body - a registration message of the reference value provider
   * @throws KbsError `reference-value-invalid`, `manifest-untrusted`, `storage-unavailable`
   */
  async setReferenceValues(body: Uint8Array, by: string, signal: AbortSignal): Promise<Registration> {
    const message = parseReferenceValueUpload(body);
    return this.#parts.referenceValues.register(message, { administrator: by }, signal);
  }

  /** The bare value. @throws KbsError `not-found` when it is absent or has expired */
  getReferenceValue(name: string): JsonValue {
    const { referenceValues } = this.#parts;
    const found = referenceValues.get(name);
    if (found !== undefined) return found.value;
    const expired = referenceValues.find(name);
    throw absent(
      expired === undefined
        ? "No reference value has this name"
        : `This reference value expired on ${expired.expiresAt} and counts as unknown`,
      "RvpsError",
    );
  }

  /** With everything known about it, expired or not. @throws KbsError `not-found` */
  describeReferenceValue(name: string): ListedReferenceValue {
    const found = this.#parts.referenceValues.find(name);
    if (found === undefined) throw absent("No reference value has this name", "RvpsError");
    return this.#listed(found, referenceValueUses(this.#parts.policies.list()));
  }

  listReferenceValues(): readonly ListedReferenceValue[] {
    const uses = referenceValueUses(this.#parts.policies.list());
    return this.#parts.referenceValues.list().map((value) => this.#listed(value, uses));
  }

  /** @throws KbsError `not-found`, `storage-unavailable` */
  async deleteReferenceValue(name: string, by: string, signal: AbortSignal): Promise<void> {
    if (!(await this.#parts.referenceValues.delete(name, signal, by)))
      throw absent("No reference value has this name", "RvpsError");
  }

  #listed(value: ReferenceValue, uses: ReturnType<typeof referenceValueUses>): ListedReferenceValue {
    const usedBy = [...new Set((uses.get(value.name) ?? []).map(({ policy }) => policy))];
    return { ...value, expired: this.#parts.referenceValues.isExpired(value), usedBy };
  }

  /** @throws KbsError `not-found` when nothing is enrolled here at all */
  listEnrolments(): readonly KnownAk[] {
    return this.#enrolments().list();
  }

  /** @param key - fingerprint of the attestation key. @throws KbsError `not-found` */
  getEnrolment(key: string): KnownAk {
    const found = this.#enrolments().get(key);
    if (found === undefined) throw absent("No key with this fingerprint is enrolled");
    return found;
  }

  /** In force when it returns. @throws KbsError `not-found`, `conflict`, `storage-unavailable` */
  decideEnrolment(key: string, status: EnrolmentStatus, by: string, signal: AbortSignal): Promise<KnownAk> {
    return this.#enrolments().decide(key, status, by, signal);
  }

  /** Afterwards the key may be enrolled again. @throws KbsError `not-found`, `storage-unavailable` */
  deleteEnrolment(key: string, signal: AbortSignal): Promise<KnownAk> {
    return this.#enrolments().delete(key, signal);
  }

  #enrolments(): Enrolments {
    const { enrolments } = this.#parts;
    if (enrolments === undefined) throw absent("Machines are not enrolled here: tpmEnrolment.enabled is off");
    return enrolments;
  }

  #names(kind: "resource" | "attestation"): readonly string[] {
    return this.#parts.policies
      .list()
      .map(({ name }) => name)
      .filter((name) => policyKind(name) === kind);
  }

  #policy(name: string | undefined, asked: string): PolicySnapshot {
    const found = name === undefined ? undefined : this.#parts.policies.get(name);
    if (found === undefined) throw absent(`There is no policy ${shown(asked)}`);
    return found;
  }

  async #deletePolicy(name: string | undefined, asked: string, signal: AbortSignal): Promise<void> {
    if (name !== undefined && (await this.#parts.policies.delete(name, signal))) return;
    throw absent(`No administrator has set a policy ${shown(asked)}`);
  }
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

function absent(sentence: string, kbsType?: string): KbsError {
  return new KbsError("not-found", `${sentence}.`, kbsType === undefined ? {} : { kbsType });
}
