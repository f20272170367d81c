import { KbsError } from "../errors.ts";
import type { JsonValue } from "../json/value.ts";
import { isObject } from "../json/write.ts";

/** Claims of the AR4SI trustworthiness vector (draft-ietf-rats-ar4si §2.3), as EAR spells them, in key order. */
export const TRUST_CLAIMS = [
  "instance-identity",
  "configuration",
  "executables",
  "file-system",
  "hardware",
  "runtime-opaque",
  "storage-opaque",
  "sourced-data",
] as const;
export type TrustClaim = (typeof TRUST_CLAIMS)[number];

/** Signed 8-bit values; only the claims that the policy set. */
export type TrustVector = Readonly<Partial<Record<TrustClaim, number>>>;

/** What is claimed where a policy claims nothing at all. */
export const UNSET_VECTOR: TrustVector = Object.fromEntries(TRUST_CLAIMS.map((claim) => [claim, 0]));

/** Tiers in rising severity (draft-ietf-rats-ar4si §2.3.2). */
const TRUST_TIERS = ["none", "affirming", "warning", "contraindicated"] as const;
export type TrustTier = (typeof TRUST_TIERS)[number];

/**
 * Reads what `data.policy.trust_claims` produced.
 *
 * @throws KbsError `appraisal-failed`: not an object, empty, an unknown name, or no integer in −128…127
 */
export function parseTrustVector(value: JsonValue): TrustVector {
  if (!isObject(value)) throw failed("`trust_claims` is not an object");
  const names = Object.keys(value);
  if (names.length === 0) throw failed("`trust_claims` is empty");
  const unknown = names.find((name) => !isTrustClaim(name));
  if (unknown !== undefined)
    throw failed(`\`trust_claims\` has a member that is not one of ${TRUST_CLAIMS.join(", ")}`);
  const vector: Partial<Record<TrustClaim, number>> = {};
  for (const claim of TRUST_CLAIMS) {
    if (Object.hasOwn(value, claim)) vector[claim] = trustValue(claim, value[claim]);
  }
  return vector;
}

function trustValue(claim: TrustClaim, value: JsonValue | undefined): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < -128 || value > 127)
    throw failed(`\`trust_claims\` gives ${claim} a value that is no integer from -128 to 127`);
  return value;
}

function isTrustClaim(name: string): name is TrustClaim {
  // The cast widens the literal tuple so that any string can be looked up in it.
  return (TRUST_CLAIMS as readonly string[]).includes(name);
}

/** Tier of one value; negative ones mirror the positive with an offset of one. */
export function tierOf(value: number): TrustTier {
  const magnitude = value < 0 ? -value - 1 : value;
  if (magnitude >= 96) return "contraindicated";
  if (magnitude >= 32) return "warning";
  if (value >= 2 || value <= -2) return "affirming";
  return "none";
}

/** The worst tier in the vector (`ear.status`). */
export function statusOf(vector: TrustVector): TrustTier {
  let worst = 0;
  for (const value of Object.values(vector)) worst = Math.max(worst, TRUST_TIERS.indexOf(tierOf(value)));
  return TRUST_TIERS[worst] ?? "contraindicated";
}

function failed(reason: string): KbsError {
  return new KbsError("appraisal-failed", `The attestation policy could not be applied: ${reason}.`);
}
