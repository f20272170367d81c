/**
 * One claim under its three names: the dotted one that deployed libraries write, the one of draft-ietf-rats-ear-03,
 * and the CWT label (draft §3 and §6; negative ones are Veraison's and the reference implementation's own).
 */
export interface ClaimName {
  readonly classic: string;
  readonly ietf: string;
  readonly label: number;
}

function row(classic: string, ietf: string, label: number): ClaimName {
  return { classic, ietf, label };
}

/** Claims with one name everywhere (RFC 8392 §3.1, RFC 9711 §4). */
const same = (name: string, label: number): ClaimName => row(name, name, label);

const STATUS = row("ear.status", "ear_status", 1000);

/** Claims of the whole result. */
export const EAR_CLAIMS: readonly ClaimName[] = [
  same("iss", 1),
  same("sub", 2),
  same("aud", 3),
  same("exp", 4),
  same("nbf", 5),
  same("iat", 6),
  same("cti", 7),
  same("eat_nonce", 10),
  same("eat_profile", 265),
  same("submods", 266),
  STATUS,
  row("ear.raw-evidence", "ear_raw_evidence", 1002),
  row("ear.verifier-id", "ear_verifier_id", 1004),
  // Ours, below −65536 where private labels belong (draft-ietf-rats-ear-03 §6).
  same("keywarden.protocol", -70_900),
  same("keywarden.origin", -70_901),
];

/** Claims of one submodule. */
export const APPRAISAL_CLAIMS: readonly ClaimName[] = [
  STATUS,
  row("ear.trustworthiness-vector", "ear_trustworthiness_vector", 1001),
  row("ear.appraisal-policy-id", "ear_appraisal_policy_ids", 1003),
  row("ear.veraison.annotated-evidence", "ear_veraison_annotated_evidence", -70_000),
  row("ear.veraison.policy-claims", "ear_veraison_policy_claims", -70_001),
  row("ear.veraison.key-attestation", "ear_veraison_key_attestation", -70_002),
  row("ear.trustee.identifiers", "ear_trustee_identifiers", -18),
  same("eat_nonce", 10),
  same("eat_profile", 265),
];

/** Labels that are free for private use end here (draft-ietf-rats-ear-03 §6). */
const LAST_PRIVATE_LABEL = -65_537;
const RELABELLED_BASE = -200_000;
const MAX_RELABELLED = 65_536;

/**
 * The CWT key of an extension in the IETF profile: its own label where that is a private one, else one that is
 * moved there, else its name.
 */
export function ietfExtensionKey(name: string, label: number): number | string {
  if (label <= LAST_PRIVATE_LABEL) return label;
  return label <= MAX_RELABELLED ? RELABELLED_BASE + label : name;
}

/** `ear.veraison.tee-info` → `ear_veraison_tee_info`; names that are not EAR's are left as they are. */
export function ietfName(name: string): string {
  return name.startsWith("ear.") ? name.replaceAll(/[.-]/g, "_") : name;
}
