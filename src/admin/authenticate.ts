import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { KbsError } from "../errors.ts";
import type { AdminKey, IdentityProvider } from "./identity-providers.ts";

/** Somebody a configured identity provider vouches for. */
export interface Administrator {
  /** `sub` of the token, or the provider's name. For the audit log. */
  readonly subject: string;
  readonly role: string;
  /** Name of the identity provider. */
  readonly provider: string;
}

export interface AdminAuthentication {
  readonly providers: readonly IdentityProvider[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly leewaySeconds: number;
}

/** Longest token in characters; an administrator's token has no reason to be longer. */
const MAX_TOKEN_LENGTH = 16_384;

/**
 * Finds out who calls, from the `Authorization` header. Keys and algorithms come from the configuration
 * alone: what a token says in `alg`, `jwk`, `jku`, `x5u` or `x5c` never adds to them (RFC 8725 §3.1, §3.10).
 *
 * @param authorization - the header as received, or `undefined`
 * @throws KbsError `unauthenticated`; the sentence says what to do, and never holds the token
 */
export async function authenticateAdmin(
  authorization: string | undefined,
  authentication: AdminAuthentication,
): Promise<Administrator> {
  if (authentication.providers.length === 0) throw refused(NO_PROVIDER);
  const token = bearerToken(authorization);
  let reason = "no identity provider of this server made the token";
  for (const provider of authentication.providers) {
    const result = await tryProvider(token, provider, authentication);
    if (typeof result === "object") return result;
    if (result !== NOT_MINE) reason = result;
  }
  throw refused(`Administrator token refused: ${reason}.`);
}

const NO_PROVIDER =
  "This server has no administrator yet: run `keywarden admin keygen`, add the public key to admin.identityProviders, and restart.";

/** The signature is by none of the provider's keys, so the next provider is asked. */
const NOT_MINE = "not mine";

/** @throws KbsError `unauthenticated` */
function bearerToken(authorization: string | undefined): string {
  const [scheme = "", token = "", ...rest] = (authorization ?? "").trim().split(/ +/);
  if (authorization === undefined || authorization.trim() === "")
    throw refused("Administrator token missing: send it as `Authorization: Bearer <token>`.");
  // RFC 9110 §11.1: the scheme is case-insensitive.
  if (scheme.toLowerCase() !== "bearer" || token === "" || rest.length > 0)
    throw refused("Administrator token refused: the Authorization header is not `Bearer <token>`.");
  if (token.length > MAX_TOKEN_LENGTH)
    throw refused(`Administrator token refused: it is longer than ${MAX_TOKEN_LENGTH} characters.`);
  return token;
}

/** @returns the administrator, or why this provider does not vouch for the token */
async function tryProvider(
  token: string,
  provider: IdentityProvider,
  authentication: AdminAuthentication,
): Promise<Administrator | string> {
  const key = chooseKey(token, provider);
  if (key === undefined) return NOT_MINE;
  try {
    const { payload } = await jwtVerify(token, key.key, {
      algorithms: [...key.algorithms],
      requiredClaims: ["exp"],
      clockTolerance: authentication.leewaySeconds,
      currentDate: new Date(authentication.now()),
      ...(provider.issuer === undefined ? {} : { issuer: provider.issuer }),
      ...(provider.audience === undefined ? {} : { audience: provider.audience }),
    });
    return administratorOf(payload, provider);
  } catch (error) {
    return reasonOf(error);
  }
}

/** The key the token may be checked with. A `kid` only chooses among the provider's own keys. */
function chooseKey(token: string, provider: IdentityProvider): AdminKey | undefined {
  let header: { readonly kid?: unknown };
  try {
    header = decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
  return provider.keys.find(({ kid }) => kid === undefined || kid === header.kid);
}

function administratorOf(payload: JWTPayload, provider: IdentityProvider): Administrator | string {
  const role = roleOf(payload["role"], provider);
  if (role === undefined) return "the claim `role` must be a text, and one this provider may give";
  const subject = typeof payload.sub === "string" && payload.sub !== "" ? payload.sub : provider.name;
  return { subject, role, provider: provider.name };
}

function roleOf(claim: unknown, provider: IdentityProvider): string | undefined {
  const { legacyRole } = provider;
  // A legacy key gives its one role: its tokens say neither for whom nor for what they were made.
  if (legacyRole !== undefined) return claim === undefined || claim === legacyRole ? legacyRole : undefined;
  return typeof claim === "string" && claim !== "" ? claim : undefined;
}

/** What a person can act on; which check failed is no secret once the signature held. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return claimReason(error);
  if (error instanceof errors.JOSEAlgNotAllowed) return "its algorithm is not one this provider allows";
  return NOT_MINE;
}

function claimReason({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === "missing") return `the claim \`${claim}\` is missing`;
  if (claim === "nbf") return "it is not valid yet";
  return `the claim \`${claim}\` is not what this server expects`;
}

function refused(detail: string): KbsError {
  return new KbsError("unauthenticated", detail);
}
