import { KbsError } from "../errors.ts";

/** The token is not accepted. The sentence is public, so it never holds any part of the token. */
export function tokenRefused(reason: string, cause?: unknown): KbsError {
  return new KbsError(
    "token-rejected",
    `Token Verifier error: ${reason}.`,
    cause === undefined ? {} : { cause },
  );
}
