import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { KbsError } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import { isArray, member } from "../json/write.ts";
import type { TeePublicKey } from "../protocol/jwk.ts";
import { type TokenAlgorithm, verifySignature } from "./algorithms.ts";
import { ORIGIN_CLAIM } from "./ear.ts";
import { readClaims } from "./ear-reader.ts";
import type { TokenEncoding } from "./forms.ts";
import type { KeySource } from "./key-source.ts";
import { tokenRefused } from "./refusal.ts";
import { parseToken, type SignedToken } from "./signed-token.ts";
import { findTeePublicKey, type Pointer } from "./tee-key.ts";

/** Somebody whose tokens count here. Key and algorithms are fixed by configuration, per issuer. */
export interface TrustedIssuer {
  /** For logs and the audit record. */
  readonly name: string;
  /** What `iss` must be; `undefined`: not compared, because these keys sign for this issuer only. */
  readonly issuer: string | undefined;
  /** What `aud` must be or contain; `undefined`: `aud` is not compared. */
  readonly audience: string | undefined;
  readonly algorithms: readonly TokenAlgorithm[];
  /** How its tokens may be written; JWT alone if absent. */
  readonly encodings?: readonly TokenEncoding[];
  /**
   * What `eat_profile` must be one of. Absent: it is not compared, and claims under the names of the IETF drafts do
   * not count.
   */
  readonly profiles?: readonly string[] | undefined;
  /** Tokens that it made for brokers elsewhere do not count. */
  readonly handshakesOnly?: boolean;
  readonly keys: KeySource;
}

/** A token whose signature, time and issuer held. */
export interface VerifiedToken {
  /** Of an EAR in whichever form: under the dotted names, for policies. */
  readonly claims: JsonObject;
  readonly teePublicKey: TeePublicKey;
  /** `TrustedIssuer.name`. */
  readonly issuer: string;
  /** Milliseconds since the epoch, leeway included: nothing may rest on the token from then on. */
  readonly validUntil: number;
}

export interface TokenVerifierOptions {
  /** In the order in which they are asked; this server's own issuer first. */
  readonly issuers: readonly TrustedIssuer[];
  /** Tried before the pointers that every issuer in the field uses. */
  readonly extraTeeKeyPointers?: readonly Pointer[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly leewaySeconds?: number;
  /** Most verified tokens remembered, and most characters of tokens that they may stand for. */
  readonly maxRemembered?: number;
  readonly maxRememberedLength?: number;
}

interface Remembered {
  readonly token: VerifiedToken;
  readonly notBefore: number;
  readonly keys: KeySource;
  readonly version: number;
  readonly length: number;
}

const JWT_ONLY: readonly TokenEncoding[] = ["jwt"];
const DEFAULT_LEEWAY_SECONDS = 60;
const DEFAULT_MAX_REMEMBERED = 4096;
const DEFAULT_MAX_REMEMBERED_LENGTH = 16 << 20;

/**
 * Decides whether an attestation token counts. A token that was verified is remembered by its SHA-256 until it
 * expires, so a guest's second secret costs a digest; what is remembered cannot be used as a token.
 */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #leewayMs: number;
  readonly #remembered: LRUCache<string, Remembered>;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#leewayMs = (options.leewaySeconds ?? DEFAULT_LEEWAY_SECONDS) * 1000;
    this.#remembered = new LRUCache({
      max: options.maxRemembered ?? DEFAULT_MAX_REMEMBERED,
      maxSize: options.maxRememberedLength ?? DEFAULT_MAX_REMEMBERED_LENGTH,
      sizeCalculation: ({ length }) => length,
    });
  }

  /**
   * @param token - compact JWS, or a CWT in base64url
   * @throws KbsError `token-rejected`; `tee-key-rejected` when it carries an unusable TEE key
   */
  async verify(token: string, signal: AbortSignal): Promise<VerifiedToken> {
    const digest = digestOf(token);
    const known = this.#recall(digest);
    if (known !== undefined) return known;
    const entry = await this.#check(parseToken(token), token.length, signal);
    this.#remember(digest, entry);
    return entry.token;
  }

  /**
   * Remembers a token that this process has just issued, so that the guest's next request need not verify it. One
   * that would not count here (a device attested alone has no TEE key) is a good token all the same: others may
   * take it.
   *
   * @param issuer - the own issuer, one of `issuers`
   */
  rememberIssued(token: string, claims: JsonObject, issuer: TrustedIssuer): void {
    try {
      this.#remember(digestOf(token), this.#accept(claims, issuer, undefined, token.length));
    } catch (error) {
      if (!(error instanceof KbsError)) throw error;
    }
  }

  #remember(digest: string, entry: Remembered): void {
    this.#remembered.set(digest, entry);
  }

  #recall(digest: string): VerifiedToken | undefined {
    const entry = this.#remembered.get(digest);
    if (entry === undefined) return undefined;
    const now = this.#options.now();
    if (entry.version === entry.keys.version && now < entry.token.validUntil && now >= entry.notBefore)
      return entry.token;
    this.#remembered.delete(digest);
    return undefined;
  }

  async #check(token: SignedToken, length: number, signal: AbortSignal): Promise<Remembered> {
    let refusal: KbsError | undefined;
    for (const issuer of this.#options.issuers) {
      try {
        const entry = await this.#checkFor(issuer, token, length, signal);
        if (entry !== undefined) return entry;
      } catch (error) {
        // One issuer's reason to refuse is no reason against the next: they may share a form, not keys.
        if (!(error instanceof KbsError) || error.code !== "token-rejected") throw error;
        refusal ??= error;
      }
    }
    throw refusal ?? tokenRefused("it is not signed by a key that this server trusts, with its algorithm");
  }

  /** @returns `undefined`: none of this issuer's keys made the signature */
  async #checkFor(
    issuer: TrustedIssuer,
    token: SignedToken,
    length: number,
    signal: AbortSignal,
  ): Promise<Remembered | undefined> {
    if (!(issuer.encodings ?? JWT_ONLY).includes(token.encoding)) return undefined;
    const alg = member(token.header, "alg");
    const { version, keys } = await issuer.keys.candidates(token.header, signal);
    for (const key of keys) {
      if (key.algorithm !== alg || !issuer.algorithms.includes(key.algorithm)) continue;
      if (!verifySignature(key, token.signed, token.signature)) continue;
      const claims = readClaims(token.claims(), issuer.profiles);
      return { ...this.#accept(claims, issuer, key.notAfter, length), version };
    }
    return undefined;
  }

  /** Checks the claims of a token whose signature held. */
  #accept(
    claims: JsonObject,
    issuer: TrustedIssuer,
    notAfter: number | undefined,
    length: number,
  ): Remembered {
    const now = this.#options.now();
    const validUntil = Math.min(
      seconds(claims, "exp") * 1000 + this.#leewayMs,
      notAfter ?? Number.POSITIVE_INFINITY,
    );
    if (!(now < validUntil)) throw tokenRefused("it has expired");
    const notBefore =
      member(claims, "nbf") === undefined ? 0 : seconds(claims, "nbf") * 1000 - this.#leewayMs;
    if (!(now >= notBefore)) throw tokenRefused("it is not valid yet");
    if (issuer.issuer !== undefined && member(claims, "iss") !== issuer.issuer)
      throw tokenRefused("its issuer is not the one its key belongs to");
    if (issuer.audience !== undefined && !hasAudience(claims, issuer.audience))
      throw tokenRefused("it was made for another audience");
    if (issuer.handshakesOnly === true && member(claims, ORIGIN_CLAIM) !== undefined)
      throw tokenRefused("it was made for another broker");
    const teePublicKey = findTeePublicKey(claims, this.#options.extraTeeKeyPointers);
    return {
      token: { claims, teePublicKey, issuer: issuer.name, validUntil },
      notBefore,
      keys: issuer.keys,
      version: issuer.keys.version,
      length,
    };
  }
}

function digestOf(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("base64");
}

/** NumericDate (RFC 7519 §2): a number, whole or not. */
function seconds(claims: JsonObject, name: string): number {
  const value = member(claims, name);
  if (typeof value === "number") return value;
  throw tokenRefused(value === undefined ? `it has no ${name}` : `its ${name} is not a usable number`);
}

function hasAudience(claims: JsonObject, audience: string): boolean {
  const aud = member(claims, "aud");
  return aud === audience || (isArray(aud) && aud.includes(audience));
}
