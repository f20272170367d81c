import type { JsonObject } from "../json/value.ts";
import type { PublicSigningKey } from "./signer.ts";

/** Where the key set is served, below the public base URL. */
const KEY_SET_PATH = "/.well-known/jwks.json";
export const DISCOVERY_PATH = "/.well-known/openid-configuration";

/** The JWK set that relying parties verify tokens with (RFC 7517 §5). */
export function keySetDocument(keys: readonly PublicSigningKey[]): JsonObject {
  return { keys: keys.map(({ publicJwk }) => publicJwk) };
}

/**
 * OpenID Connect discovery (OpenID Connect Discovery 1.0 §3), as far as a verifier of tokens needs it: this
 * server authenticates nobody for others.
 *
 * @param baseUrl - public URL of this server, without a trailing slash
 * @param issuer - `iss` of the tokens
 */
export function discoveryDocument(
  baseUrl: string,
  issuer: string,
  keys: readonly PublicSigningKey[],
): JsonObject {
  return {
    issuer,
    jwks_uri: `${baseUrl}${KEY_SET_PATH}`,
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ algorithm }) => algorithm))],
    response_types_supported: ["none"],
    subject_types_supported: ["public"],
  };
}
