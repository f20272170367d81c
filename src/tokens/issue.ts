import type { JsonObject } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import { type EarSubmodule, earClaims } from "./ear.ts";
import type { TokenSigner } from "./signer.ts";

export interface TokenIssuerOptions {
  /** The key that signs now: it changes while the process runs. */
  readonly keys: { readonly current: TokenSigner };
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

/** Makes attestation tokens: EAR in JWT. A header changes with its key only, so it is printed once per key. */
export class TokenIssuer {
  readonly #options: TokenIssuerOptions;
  #header: { readonly signer: TokenSigner; readonly text: string } | undefined;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  /** @throws KbsError `signer-unavailable` */
  async issue(attestation: AppraisedAttestation, signal: AbortSignal): Promise<IssuedToken> {
    const { issuer, developer, build, lifetimeSeconds, now, keys } = this.#options;
    const signer = keys.current;
    const issuedAt = Math.floor(now() / 1000);
    const expiresAt = issuedAt + lifetimeSeconds;
    const { protocol } = attestation;
    const envelope = { issuer, developer, build, issuedAt, expiresAt, protocol };
    const claims = earClaims(attestation.submodules, envelope);
    const signed = `${this.#headerFor(signer)}.${Buffer.from(writeJson(claims)).toString("base64url")}`;
    const signature = await signer.sign(Buffer.from(signed, "latin1"), signal);
    return { token: `${signed}.${signature.toString("base64url")}`, claims, expiresAt: expiresAt * 1000 };
  }

  #headerFor(signer: TokenSigner): string {
    if (this.#header?.signer !== signer) {
      const text = Buffer.from(writeJson(header(signer, this.#options.embedKey))).toString("base64url");
      this.#header = { signer, text };
    }
    return this.#header.text;
  }
}

function header(signer: TokenSigner, embedKey: boolean): JsonObject {
  const { use: _, kid, ...jwk } = signer.publicJwk;
  return {
    typ: "JWT",
    alg: signer.algorithm,
    kid: kid ?? signer.kid,
    ...(embedKey ? { jwk } : {}),
  };
}
