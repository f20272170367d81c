/**
 * The forms of an attestation token: how it is written down, and which names its claims have.
 *
 * `trustee` is what Confidential Containers guests and relying parties read; `veraison` is the same under the profile
 * of the Veraison project; `ietf` has the names of draft-ietf-rats-ear since its revision 03.
 */
export const TOKEN_ENCODINGS = ["jwt", "cwt"] as const;
export type TokenEncoding = (typeof TOKEN_ENCODINGS)[number];

export const TOKEN_PROFILES = ["trustee", "veraison", "ietf"] as const;
export type TokenProfile = (typeof TOKEN_PROFILES)[number];

export interface TokenForm {
  readonly encoding: TokenEncoding;
  readonly profile: TokenProfile;
}

export const DEFAULT_FORM: TokenForm = { encoding: "jwt", profile: "trustee" };

/** `eat_profile` of each profile. */
export const PROFILE_TAGS: Readonly<Record<TokenProfile, string>> = {
  trustee: "tag:github.com,2024:confidential-containers/Trustee",
  veraison: "tag:github.com,2023:veraison/ear",
  ietf: "tag:ietf.org,2026:rats/ear#03",
};

/** Profiles whose claims have the names of the IETF drafts; 04 adds claims and renames none. */
const IETF_TAGS: ReadonlySet<string> = new Set([PROFILE_TAGS.ietf, "tag:ietf.org,2026:rats/ear#04"]);

/** Whether `eat_profile` belongs to a revision of the IETF drafts that writes claims with underscores. */
export function isIetfProfile(tag: string): boolean {
  return IETF_TAGS.has(tag);
}

/** How a form is told apart from the others in a table: `jwt/trustee`. */
export function formName({ encoding, profile }: TokenForm): string {
  return `${encoding}/${profile}`;
}
