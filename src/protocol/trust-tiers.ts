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

/** Signed 8-bit values; only the claims that were made. */
export type TrustVector = Readonly<Partial<Record<TrustClaim, number>>>;

/** Tiers in rising severity (draft-ietf-rats-ar4si §2.3.2). */
export const TRUST_TIERS = ["none", "affirming", "warning", "contraindicated"] as const;
export type TrustTier = (typeof TRUST_TIERS)[number];

export function isTrustClaim(name: string): name is TrustClaim {
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
