import type { JsonObject } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import { type EarSubmodule, earClaims } from "./ear.ts";
import type { TokenSigner } from "./signer.ts";

export interface TokenIssuerOptions {
  readonly signer: TokenSigner;
  /** `iss`. */
  readonly issuer: string;
  readonly developer: string;
  readonly build: string;
  readonly lifetimeSeconds: number;
  /**
   * Also put the public key into the header, where the Veraison libraries and relying parties with an `x5c` anchor
   * look for it. This server never trusts a key because a token names it.
   */
  readonly embedKey: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface IssuedToken {
  /** Compact JWS. */
  readonly token: string;
  readonly claims: JsonObject;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What is to be attested, by the pipeline that appraised it. */
export interface AppraisedAttestation {
  readonly submodules: readonly EarSubmodule[];
  readonly protocol: "0.1" | undefined;
}

/** Makes attestation tokens: EAR in JWT. The header never changes, so it is printed once. */
export class TokenIssuer {
  readonly #options: TokenIssuerOptions;
  readonly #header: string;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
    this.#header = Buffer.from(writeJson(header(options))).toString("base64url");
  }

  issue(attestation: AppraisedAttestation): IssuedToken {
    const { issuer, developer, build, lifetimeSeconds, now, signer } = this.#options;
    const issuedAt = Math.floor(now() / 1000);
    const expiresAt = issuedAt + lifetimeSeconds;
    const { protocol } = attestation;
    const envelope = { issuer, developer, build, issuedAt, expiresAt, protocol };
    const claims = earClaims(attestation.submodules, envelope);
    const signed = `${this.#header}.${Buffer.from(writeJson(claims)).toString("base64url")}`;
    const signature = signer.sign(Buffer.from(signed, "latin1")).toString("base64url");
    return { token: `${signed}.${signature}`, claims, expiresAt: expiresAt * 1000 };
  }
}

function header({ signer, embedKey }: TokenIssuerOptions): JsonObject {
  const { use: _, kid, ...jwk } = signer.publicJwk;
  return {
    typ: "JWT",
    alg: signer.algorithm,
    kid: kid ?? signer.kid,
    ...(embedKey ? { jwk } : {}),
  };
}
