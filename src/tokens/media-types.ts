import { KbsError } from "../errors.ts";
import {
  PROFILE_TAGS,
  TOKEN_PROFILES,
  type TokenEncoding,
  type TokenForm,
  type TokenProfile,
} from "./forms.ts";

/** Media types of EAT (RFC 9782 §3), which EAR has none beside; the profile is a parameter. */
const ENCODINGS: Readonly<Record<string, TokenEncoding>> = {
  "application/eat+jwt": "jwt",
  "application/eat+cwt": "cwt",
};
const MAX_ACCEPT_LENGTH = 1_000;

export interface AskedForm extends TokenForm {
  readonly mediaType: string;
}

/**
 * The form that an `Accept` header asks for: the first media type of EAT in it whose profile is written here.
 *
 * @returns `undefined`: it names no such type, so the configured form is meant
 * @throws KbsError `malformed-request`: it names only profiles that are not written here
 */
export function askedForm(accept: string | undefined): AskedForm | undefined {
  if (accept === undefined) return undefined;
  if (accept.length > MAX_ACCEPT_LENGTH) throw refused("it is too long");
  const asked = accept.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).flatMap(parseRange);
  if (asked.length === 0) return undefined;
  const [found] = asked.flatMap(({ encoding, profile }) =>
    profile === undefined ? [] : [{ encoding, profile }],
  );
  if (found === undefined) throw refused(`it asks for a profile that is none of ${TAGS.join(", ")}`);
  return { ...found, mediaType: mediaTypeOf(found) };
}

/** `application/eat+jwt; eat_profile="…"`. */
export function mediaTypeOf({ encoding, profile }: TokenForm): string {
  return `application/eat+${encoding}; eat_profile="${PROFILE_TAGS[profile]}"`;
}

const TAGS = Object.values(PROFILE_TAGS);

interface Range {
  readonly encoding: TokenEncoding;
  /** `undefined`: one that is not written here. */
  readonly profile: TokenProfile | undefined;
}

function parseRange(text: string): Range[] {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim());
  const name = type.toLowerCase();
  const encoding = Object.hasOwn(ENCODINGS, name) ? ENCODINGS[name] : undefined;
  if (encoding === undefined) return [];
  const tag = parameters
    .map((parameter) => /^eat_profile\s*=\s*"?([^"]*)"?$/i.exec(parameter)?.[1])
    .find((value) => value !== undefined);
  if (tag === undefined) return [{ encoding, profile: "trustee" }];
  return [{ encoding, profile: TOKEN_PROFILES.find((profile) => PROFILE_TAGS[profile] === tag) }];
}

function refused(reason: string): KbsError {
  return new KbsError("malformed-request", `The Accept header cannot be answered: ${reason}.`);
}
