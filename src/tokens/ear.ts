import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject } from "../json/write.ts";

/** One appraised device as the token shows it. */
export interface EarSubmodule {
  /** Class and index: `cpu0`, `gpu1`. */
  readonly name: string;
  readonly status: "none" | "affirming" | "warning" | "contraindicated";
  readonly trustVector: Readonly<Partial<Record<string, number>>>;
  /** Policy selector without the class. */
  readonly policyId: string;
  readonly annotatedEvidence: JsonObject;
  /** Members that the policy added, by name. */
  readonly extensions: JsonObject;
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
}

/** The profile that Confidential Containers clients and the Veraison libraries read. */
export const EAR_PROFILE = "tag:github.com,2024:confidential-containers/Trustee";

/** Marks a token of a guest that expects the older answer form. */
export const PROTOCOL_CLAIM = "keywarden.protocol";

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/**
 * Claims of an EAT Attestation Result in its dotted JSON form (draft-fv-rats-ear-04 §3). No `aud`, `sub`, `jti`
 * or `nbf`: two of the three Veraison libraries refuse a token that has `aud`, and guests compare `nbf` with
 * clocks that may be behind.
 *
 * @param submodules - at least one; the names must differ
 */
export function earClaims(submodules: readonly EarSubmodule[], envelope: EarEnvelope): JsonObject {
  return {
    eat_profile: EAR_PROFILE,
    iat: envelope.issuedAt,
    exp: envelope.expiresAt,
    iss: envelope.issuer,
    "ear.verifier-id": { developer: envelope.developer, build: envelope.build },
    ...(envelope.protocol === undefined ? {} : { [PROTOCOL_CLAIM]: envelope.protocol }),
    submods: Object.fromEntries(submodules.map((each) => [each.name, appraisal(each)])),
  };
}

function appraisal(submodule: EarSubmodule): JsonObject {
  const vector: Record<string, number> = {};
  for (const [name, value] of Object.entries(submodule.trustVector)) {
    if (value !== undefined) vector[name] = value;
  }
  return {
    "ear.status": submodule.status,
    "ear.trustworthiness-vector": vector,
    "ear.appraisal-policy-id": submodule.policyId,
    "ear.veraison.annotated-evidence": fitInt64(submodule.annotatedEvidence),
    ...submodule.extensions,
  };
}

/**
 * Integers that do not fit 64 signed bits become decimal strings: the libraries that read tokens would round
 * them or fail. Objects without such a number are returned as they are.
 */
function fitInt64(value: JsonValue): JsonValue {
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
