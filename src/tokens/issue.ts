import { type CborKey, type CborValue, encodeCbor } from "../crypto/cbor.ts";
import { COSE_HEADER, draftCoseSign1 } from "../crypto/cose-sign1.ts";
import type { JsonObject } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import { type EarEnvelope, type EarSubmodule, earClaims, ietfEarClaims, type TokenOrigin } from "./ear.ts";
import { earCborClaims } from "./ear-cbor.ts";
import { DEFAULT_FORM, type TokenForm } from "./forms.ts";
import type { TokenSigner } from "./signer.ts";

export interface TokenIssuerOptions {
  /** The key that signs now: it changes while the process runs. */
  readonly keys: { readonly current: TokenSigner };
  /** `iss`. */
  readonly issuer: string;
  readonly developer: string;
  readonly build: string;
  readonly lifetimeSeconds: number;
  /** Form of tokens where the request asks for none. */
  readonly form?: TokenForm;
  /**
   * Also put the public key into the header, where the Veraison libraries and relying parties with an `x5c` anchor
   * look for it. This server never trusts a key because a token names it.
   */
  readonly embedKey: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface IssuedToken {
  /** Compact JWS, or a CWT in base64url. */
  readonly token: string;
  /** What it claims, under the dotted names whichever form it has. */
  readonly claims: JsonObject;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What is to be attested, by the pipeline that appraised it. */
export interface AppraisedAttestation {
  readonly submodules: readonly EarSubmodule[];
  readonly protocol: "0.1" | undefined;
  readonly origin?: TokenOrigin | undefined;
}

/** Makes attestation tokens. A header changes with its key only, so it is printed once per key. */
export class TokenIssuer {
  readonly #options: TokenIssuerOptions;
  #header: { readonly signer: TokenSigner; readonly text: string } | undefined;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  /**
   * @param form - what the request asks for, where the interface lets it
   * @throws KbsError `signer-unavailable`
   */
  async issue(
    attestation: AppraisedAttestation,
    signal: AbortSignal,
    form: TokenForm = this.#options.form ?? DEFAULT_FORM,
  ): Promise<IssuedToken> {
    const { issuer, developer, build, lifetimeSeconds, now, keys } = this.#options;
    const issuedAt = Math.floor(now() / 1000);
    const expiresAt = issuedAt + lifetimeSeconds;
    const { submodules, protocol, origin } = attestation;
    const envelope = { issuer, developer, build, issuedAt, expiresAt, protocol, origin };
    const claims = earClaims(submodules, envelope, form.profile);
    const token =
      form.encoding === "cwt"
        ? await this.#cwt(earCborClaims(submodules, envelope, form.profile), keys.current, signal)
        : await this.#jwt(inProfile(claims, submodules, envelope, form), keys.current, signal);
    return { token, claims, expiresAt: expiresAt * 1000 };
  }

  async #jwt(claims: JsonObject, signer: TokenSigner, signal: AbortSignal): Promise<string> {
    const signed = `${this.#headerFor(signer)}.${Buffer.from(writeJson(claims)).toString("base64url")}`;
    const signature = await signer.sign(Buffer.from(signed, "latin1"), signal);
    return `${signed}.${signature.toString("base64url")}`;
  }

  async #cwt(claims: CborValue, signer: TokenSigner, signal: AbortSignal): Promise<string> {
    const header: [CborKey, CborValue][] = [[COSE_HEADER.kid, Buffer.from(signer.kid)]];
    if (this.#options.embedKey) header.push(...chainHeader(signer));
    const draft = draftCoseSign1(signer.algorithm, encodeCbor(claims), header);
    return draft.finish(await signer.sign(draft.toBeSigned, signal)).toString("base64url");
  }

  #headerFor(signer: TokenSigner): string {
    if (this.#header?.signer !== signer) {
      const text = Buffer.from(writeJson(header(signer, this.#options.embedKey))).toString("base64url");
      this.#header = { signer, text };
    }
    return this.#header.text;
  }
}

function inProfile(
  claims: JsonObject,
  submodules: readonly EarSubmodule[],
  envelope: EarEnvelope,
  { profile }: TokenForm,
): JsonObject {
  return profile === "ietf" ? ietfEarClaims(submodules, envelope) : claims;
}

/** `x5chain` (RFC 9360 §2): one certificate stands alone, several in a list. COSE has no header for a bare key. */
function chainHeader({ chain }: TokenSigner): [CborKey, CborValue][] {
  const [leaf, ...others] = chain;
  if (leaf === undefined) return [];
  return [[COSE_HEADER.x5chain, others.length === 0 ? leaf : chain]];
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
