import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject } from "../json/write.ts";
import { statusOf, TRUST_TIERS, type TrustTier } from "../protocol/trust-tiers.ts";
import { ietfName } from "./ear-names.ts";
import { PROFILE_TAGS, type TokenProfile } from "./forms.ts";

/** One appraised device as the token shows it. */
export interface EarSubmodule {
  /** Class and index: `cpu0`, `gpu1`. */
  readonly name: string;
  readonly status: TrustTier;
  readonly trustVector: Readonly<Partial<Record<string, number>>>;
  /** Policy selector without the class. */
  readonly policyId: string;
  readonly annotatedEvidence: JsonObject;
  /** Members that the policy added, by name. */
  readonly extensions: JsonObject;
  /** Their labels in a CWT; a member without one stands there under its name. */
  readonly extensionKeys?: Readonly<Record<string, number>>;
}

export interface EarEnvelope {
  readonly issuer: string;
  /** `ear.verifier-id`: exactly these two, both non-empty; libraries refuse others. */
  readonly developer: string;
  readonly build: string;
  /** Whole seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Set for guests of protocol 0.1.x, whose answers have another form. */
  readonly protocol: "0.1" | undefined;
  /** Set where no handshake of this server led to the token. */
  readonly origin?: TokenOrigin | undefined;
}

/** `evaluation`: a caller of the attestation service asked, and chose nonce and key; see `ORIGIN_CLAIM`. */
export type TokenOrigin = "evaluation";

/** The profile that Confidential Containers clients and the Veraison libraries read. */
export const EAR_PROFILE = PROFILE_TAGS.trustee;

/** Marks a token of a guest that expects the older answer form. */
export const PROTOCOL_CLAIM = "keywarden.protocol";

/**
 * Marks a token that was made for somebody else's broker, where this server has one of its own: that the evidence is
 * fresh is known over there only, so it opens nothing here.
 */
export const ORIGIN_CLAIM = "keywarden.origin";

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/**
 * Claims of an EAT Attestation Result in its dotted JSON form (draft-fv-rats-ear-04 §3). No `aud`, `sub`, `jti`
 * or `nbf`: two of the three Veraison libraries refuse a token that has `aud`, and guests compare `nbf` with
 * clocks that may be behind.
 *
 * @param submodules - at least one; the names must differ
 * @param profile - what `eat_profile` says; under `ietf`, what such a token claims once it is read
 */
export function earClaims(
  submodules: readonly EarSubmodule[],
  envelope: EarEnvelope,
  profile: TokenProfile = "trustee",
): JsonObject {
  return {
    eat_profile: PROFILE_TAGS[profile],
    iat: envelope.issuedAt,
    exp: envelope.expiresAt,
    iss: envelope.issuer,
    "ear.verifier-id": { developer: envelope.developer, build: envelope.build },
    ...(profile === "ietf" ? { "ear.status": worstStatus(submodules) } : {}),
    ...marks(envelope),
    submods: Object.fromEntries(submodules.map((each) => [each.name, appraisal(each)])),
  };
}

function marks({ protocol, origin }: EarEnvelope): JsonObject {
  return {
    ...(protocol === undefined ? {} : { [PROTOCOL_CLAIM]: protocol }),
    ...(origin === undefined ? {} : { [ORIGIN_CLAIM]: origin }),
  };
}

function appraisal(submodule: EarSubmodule): JsonObject {
  return {
    "ear.status": submodule.status,
    "ear.trustworthiness-vector": vectorOf(submodule),
    "ear.appraisal-policy-id": submodule.policyId,
    "ear.veraison.annotated-evidence": fitInt64(submodule.annotatedEvidence),
    ...submodule.extensions,
  };
}

/** The same claims as draft-ietf-rats-ear-03 §3 names them, with the status of the whole. */
export function ietfEarClaims(submodules: readonly EarSubmodule[], envelope: EarEnvelope): JsonObject {
  return {
    eat_profile: PROFILE_TAGS.ietf,
    iat: envelope.issuedAt,
    exp: envelope.expiresAt,
    iss: envelope.issuer,
    ear_verifier_id: { developer: envelope.developer, build: envelope.build },
    ear_status: worstStatus(submodules),
    ...marks(envelope),
    submods: Object.fromEntries(submodules.map((each) => [each.name, ietfAppraisal(each)])),
  };
}

function ietfAppraisal(submodule: EarSubmodule): JsonObject {
  return {
    ear_status: submodule.status,
    ear_trustworthiness_vector: vectorOf(submodule),
    ear_appraisal_policy_ids: [submodule.policyId],
    ear_veraison_annotated_evidence: fitInt64(submodule.annotatedEvidence),
    ...Object.fromEntries(
      Object.entries(submodule.extensions).map(([name, value]) => [ietfName(name), value]),
    ),
  };
}

/** The least trustworthy submodule's status. */
export function worstStatus(submodules: readonly { readonly status: TrustTier }[]): TrustTier {
  return TRUST_TIERS.findLast((tier) => submodules.some(({ status }) => status === tier)) ?? "none";
}

/** Only the members that were set. */
export function vectorOf({ trustVector }: EarSubmodule): Readonly<Record<string, number>> {
  const vector: Record<string, number> = {};
  for (const [name, value] of Object.entries(trustVector)) {
    if (value !== undefined) vector[name] = value;
  }
  return vector;
}

/** Whether a status claims more than the vector beside it allows; `none` claims nothing, and hides nothing. */
export function isBetterThan(status: TrustTier, vector: Readonly<Record<string, number>>): boolean {
  const worst = TRUST_TIERS.indexOf(statusOf(vector));
  if (status === "none") return worst > TRUST_TIERS.indexOf("affirming");
  return TRUST_TIERS.indexOf(status) < worst;
}

/**
 * Integers that do not fit 64 signed bits become decimal strings: the libraries that read tokens would round
 * them or fail. Objects without such a number are returned as they are.
 */
export function fitInt64(value: JsonValue): JsonValue {
  if (typeof value === "bigint") return value > MAX_INT64 || value < MIN_INT64 ? value.toString() : value;
  if (isArray(value)) return value.some(holdsWide) ? value.map(fitInt64) : value;
  if (!isObject(value) || !holdsWide(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fitInt64(item)]));
}

function holdsWide(value: JsonValue): boolean {
  if (typeof value === "bigint") return value > MAX_INT64 || value < MIN_INT64;
  if (isArray(value)) return value.some(holdsWide);
  return isObject(value) && Object.values(value).some(holdsWide);
}
