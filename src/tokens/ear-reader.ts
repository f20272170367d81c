import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import { isTrustClaim, TRUST_TIERS, type TrustTier } from "../protocol/trust-tiers.ts";
import { isBetterThan, worstStatus } from "./ear.ts";
import { TIER_NUMBERS } from "./ear-cbor.ts";
import { APPRAISAL_CLAIMS, type ClaimName, EAR_CLAIMS } from "./ear-names.ts";
import { isIetfProfile } from "./forms.ts";
import { tokenRefused } from "./refusal.ts";

/**
 * Reads the claims of a token: an EAT Attestation Result in whichever dialect comes out under the dotted names and
 * is checked for what it claims; claims of any other kind are left as they are.
 *
 * @param profiles - values of `eat_profile` that count; `undefined`: any that writes dotted names, or none at all
 * @throws KbsError `token-rejected`
 */
export function readClaims(claims: JsonObject, profiles: readonly string[] | undefined): JsonObject {
  const profile = member(claims, "eat_profile");
  if (profiles !== undefined && !(typeof profile === "string" && profiles.includes(profile)))
    throw tokenRefused("its profile is not one that is accepted from its issuer");
  const dialect = dialectOf(claims);
  if (dialect === undefined) return claims;
  if (dialect === "ietf" && profiles === undefined)
    throw tokenRefused("its profile must be named for its issuer before it counts");
  if (dialect === "ietf" && !(typeof profile === "string" && isIetfProfile(profile)))
    throw tokenRefused("its claims have other names than its profile");
  const classic = dialect === "ietf" ? renameClaims(claims) : claims;
  return checked(classic);
}

/** Whether any claim, or any claim of a submodule, has a name of one dialect. */
function dialectOf(claims: JsonObject): "classic" | "ietf" | undefined {
  const submods = member(claims, "submods");
  const names = [
    ...Object.keys(claims),
    ...(isObject(submods) ? Object.values(submods) : []).flatMap((each) =>
      isObject(each) ? Object.keys(each) : [],
    ),
  ];
  const classic = names.some((name) => name.startsWith("ear."));
  const ietf = names.some((name) => IETF_NAMES.has(name));
  if (classic && ietf) throw tokenRefused("it has claims under the names of two dialects");
  if (classic) return "classic";
  return ietf ? "ietf" : undefined;
}

const IETF_NAMES: ReadonlySet<string> = new Set(
  [...EAR_CLAIMS, ...APPRAISAL_CLAIMS]
    .filter(({ classic, ietf }) => classic !== ietf)
    .map(({ ietf }) => ietf),
);

function renameClaims(claims: JsonObject): JsonObject {
  const renamed = rename(claims, EAR_CLAIMS);
  const submods = member(renamed, "submods");
  if (!isObject(submods)) return renamed;
  const entries = Object.entries(submods).map(([name, each]) => [
    name,
    isObject(each) ? rename(each, APPRAISAL_CLAIMS) : each,
  ]);
  return { ...renamed, submods: Object.fromEntries(entries) };
}

function rename(object: JsonObject, table: readonly ClaimName[]): JsonObject {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [
      table.find(({ ietf }) => ietf === name)?.classic ?? name,
      value,
    ]),
  );
}

/** Holds every appraisal against its own trustworthiness vector, and the whole against its parts. */
function checked(claims: JsonObject): JsonObject {
  if (!Number.isSafeInteger(member(claims, "iat"))) throw tokenRefused("its iat is not a whole number");
  const submods = member(claims, "submods");
  if (!isObject(submods) || Object.keys(submods).length === 0)
    throw tokenRefused("it has no submodule, though it is an attestation result");
  const profiled = member(claims, "eat_profile") !== undefined;
  const entries = Object.entries(submods).map(
    ([name, each]) => [name, checkedAppraisal(each, profiled)] as const,
  );
  const overall = member(claims, "ear.status");
  const result = {
    ...claims,
    submods: Object.fromEntries(entries.map(([name, { claims: each }]) => [name, each])),
  };
  if (overall === undefined) return result;
  const status = tier(overall);
  const worst = worstStatus(entries.map(([, each]) => each));
  if (status !== "none" && TRUST_TIERS.indexOf(status) < TRUST_TIERS.indexOf(worst))
    throw tokenRefused("it claims a better status than one of its submodules");
  return { ...result, "ear.status": status };
}

/** @param profiled - the token names its profile, and all of them demand a status */
function checkedAppraisal(
  appraisal: JsonValue,
  profiled: boolean,
): { readonly claims: JsonObject; readonly status: TrustTier } {
  if (!isObject(appraisal)) throw tokenRefused("a submodule is not an object");
  const stated = member(appraisal, "ear.status");
  if (stated === undefined && !profiled) return { claims: appraisal, status: "none" };
  const status = tier(stated);
  const vector = vectorOf(member(appraisal, "ear.trustworthiness-vector"));
  if (vector !== undefined && isBetterThan(status, vector))
    throw tokenRefused("a submodule claims a better status than its trustworthiness vector allows");
  const claims = {
    ...appraisal,
    "ear.status": status,
    ...(vector === undefined ? {} : { "ear.trustworthiness-vector": vector }),
    ...policiesOf(appraisal),
  };
  return { claims, status };
}

/** One policy is a text in the dotted form; a list of several has no such form and stays one. */
function policiesOf(appraisal: JsonObject): JsonObject {
  const name = "ear.appraisal-policy-id";
  const policies = member(appraisal, name);
  if (policies === undefined || typeof policies === "string") return {};
  if (!isArray(policies) || !policies.every((each) => typeof each === "string"))
    throw tokenRefused("its list of appraisal policies is malformed");
  const [only, ...others] = policies;
  if (only === undefined) throw tokenRefused("its list of appraisal policies is empty");
  return { [name]: others.length === 0 ? only : policies };
}

/** Text, or one of the numbers that stand for it: some libraries write them in JSON as well. */
function tier(value: JsonValue | undefined): TrustTier {
  const found = TRUST_TIERS.find((each) => each === value || TIER_NUMBERS[each] === value);
  if (found === undefined) throw tokenRefused("a submodule has no status that is known");
  return found;
}

/** A claim that was not made is absent, or null as one library writes it. */
function vectorOf(value: JsonValue | undefined): Readonly<Record<string, number>> | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) throw tokenRefused("a trustworthiness vector is not an object");
  const vector: Record<string, number> = {};
  for (const [name, claim] of Object.entries(value)) {
    if (claim === null) continue;
    if (!isTrustClaim(name)) throw tokenRefused("a trustworthiness vector has a claim that is not known");
    if (typeof claim !== "number" || !Number.isInteger(claim) || claim < -128 || claim > 127)
      throw tokenRefused("a trustworthiness vector has a value that is no integer from -128 to 127");
    vector[name] = claim;
  }
  return vector;
}
