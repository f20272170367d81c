import type { CborKey, CborMap, CborValue } from "../crypto/cbor.ts";
import type { JsonValue } from "../json/value.ts";
import { isArray, isObject } from "../json/write.ts";
import { TRUST_CLAIMS, type TrustTier } from "../protocol/trust-tiers.ts";
import {
  type EarEnvelope,
  type EarSubmodule,
  fitInt64,
  ORIGIN_CLAIM,
  PROTOCOL_CLAIM,
  vectorOf,
  worstStatus,
} from "./ear.ts";
import { APPRAISAL_CLAIMS, type ClaimName, EAR_CLAIMS, ietfExtensionKey } from "./ear-names.ts";
import { PROFILE_TAGS, type TokenProfile } from "./forms.ts";

/** Numbers of the tiers in a CWT (draft-ietf-rats-ear §3.2): each is the least value of its tier. */
export const TIER_NUMBERS: Readonly<Record<TrustTier, number>> = {
  none: 0,
  affirming: 2,
  warning: 32,
  contraindicated: 96,
};

const VERIFIER_ID = { developer: 0, build: 1 } as const;

/**
 * Claims of an EAT Attestation Result with their CWT labels (draft-ietf-rats-ear §6).
 * @param submodules - at least one; the names must differ
 */
export function earCborClaims(
  submodules: readonly EarSubmodule[],
  envelope: EarEnvelope,
  profile: TokenProfile,
): CborMap {
  const claims = new Map<CborKey, CborValue>([
    [label("eat_profile"), PROFILE_TAGS[profile]],
    [label("iat"), envelope.issuedAt],
    [label("exp"), envelope.expiresAt],
    [label("iss"), envelope.issuer],
    [
      label("ear.verifier-id"),
      new Map([
        [VERIFIER_ID.developer, envelope.developer],
        [VERIFIER_ID.build, envelope.build],
      ]),
    ],
    [label("submods"), new Map(submodules.map((each) => [each.name, appraisal(each, profile)]))],
  ]);
  if (profile === "ietf") claims.set(label("ear.status"), TIER_NUMBERS[worstStatus(submodules)]);
  if (envelope.protocol !== undefined) claims.set(label(PROTOCOL_CLAIM), envelope.protocol);
  if (envelope.origin !== undefined) claims.set(label(ORIGIN_CLAIM), envelope.origin);
  return claims;
}

function appraisal(submodule: EarSubmodule, profile: TokenProfile): CborMap {
  const { policyId } = submodule;
  const claims = new Map<CborKey, CborValue>([
    [of("ear.status"), TIER_NUMBERS[submodule.status]],
    [of("ear.trustworthiness-vector"), vector(submodule)],
    [of("ear.appraisal-policy-id"), profile === "ietf" ? [policyId] : policyId],
    [of("ear.veraison.annotated-evidence"), toCbor(fitInt64(submodule.annotatedEvidence))],
  ]);
  for (const [name, value] of Object.entries(submodule.extensions)) {
    const key = extensionKey(name, submodule, profile);
    if (claims.has(key)) throw new TypeError("two members of one appraisal have the same CWT label");
    claims.set(key, toCbor(fitInt64(value)));
  }
  return claims;
}

function extensionKey(name: string, { extensionKeys = {} }: EarSubmodule, profile: TokenProfile): CborKey {
  const key = Object.hasOwn(extensionKeys, name) ? extensionKeys[name] : undefined;
  if (key === undefined) return name;
  return profile === "ietf" ? ietfExtensionKey(name, key) : key;
}

function vector(submodule: EarSubmodule): CborMap {
  const named = vectorOf(submodule);
  const entries = TRUST_CLAIMS.flatMap((name, key): [number, number][] => {
    const value = named[name];
    return value === undefined ? [] : [[key, value]];
  });
  return new Map(entries);
}

/** JSON as CBOR: the same data model, with names as text keys. */
function toCbor(value: JsonValue): CborValue {
  if (isArray(value)) return value.map(toCbor);
  if (!isObject(value)) return value;
  return new Map(Object.entries(value).map(([name, item]) => [name, toCbor(item)]));
}

const label = (name: string): number => labelIn(EAR_CLAIMS, name);
const of = (name: string): number => labelIn(APPRAISAL_CLAIMS, name);

function labelIn(table: readonly ClaimName[], name: string): number {
  const found = table.find(({ classic }) => classic === name);
  if (found === undefined) throw new TypeError(`${name} has no label`);
  return found.label;
}
