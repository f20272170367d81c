import { expect, test } from "@jest/globals";
import { PROFILE_TAGS } from "../../../src/tokens/forms.ts";
import { askedForm, mediaTypeOf } from "../../../src/tokens/media-types.ts";

test.each([
  [undefined, undefined],
  ["*/*", undefined],
  ["text/plain, application/json", undefined],
  ["application/eat+jwt", ["jwt", "trustee"]],
  ["Application/EAT+CWT", ["cwt", "trustee"]],
  [`application/eat+jwt; eat_profile="${PROFILE_TAGS.ietf}"`, ["jwt", "ietf"]],
  [`application/eat+cwt;eat_profile="${PROFILE_TAGS.veraison}";q=0.5`, ["cwt", "veraison"]],
  [`text/html, application/eat+jwt; eat_profile="tag:a,b", application/eat+cwt`, ["cwt", "trustee"]],
])("Accept: %s", (accept, form) => {
  const asked = askedForm(accept);
  expect(asked === undefined ? undefined : [asked.encoding, asked.profile]).toEqual(form);
});

test("a profile that is not written here is refused, and so is a header without end", () => {
  const unknown = 'application/eat+jwt; eat_profile="tag:example.org,2026:other"';
  expect(() => askedForm(unknown)).toThrow(expect.objectContaining({ code: "malformed-request" }));
  expect(() => askedForm("a".repeat(2_000))).toThrow(expect.objectContaining({ code: "malformed-request" }));
});

test("the media type names the profile", () => {
  expect(mediaTypeOf({ encoding: "cwt", profile: "ietf" })).toBe(
    'application/eat+cwt; eat_profile="tag:ietf.org,2026:rats/ear#03"',
  );
});
