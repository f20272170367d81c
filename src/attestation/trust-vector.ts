import { KbsError } from "../errors.ts";
import type { JsonValue } from "../json/value.ts";
import { isObject } from "../json/write.ts";
import { isTrustClaim, TRUST_CLAIMS, type TrustClaim, type TrustVector } from "../protocol/trust-tiers.ts";

export { statusOf, TRUST_CLAIMS, type TrustTier, type TrustVector, tierOf } from "../protocol/trust-tiers.ts";

/** What is claimed where a policy claims nothing at all. */
export const UNSET_VECTOR: TrustVector = Object.fromEntries(TRUST_CLAIMS.map((claim) => [claim, 0]));

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

function failed(reason: string): KbsError {
  return new KbsError("appraisal-failed", `The attestation policy could not be applied: ${reason}.`);
}
