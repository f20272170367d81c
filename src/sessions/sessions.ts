import { timingSafeEqual } from "node:crypto";
import { KbsError } from "../errors.ts";
import type { Generation } from "../protocol/handshake.ts";
import type { Tee } from "../protocol/tee.ts";
import { RecentSessions } from "./recent-sessions.ts";
import type { KeyRing } from "./seal.ts";
import {
  decodeSession,
  encodeSession,
  type HashAlgorithm,
  NONCE_BYTES,
  nonceEquals,
  nonceText,
  type OpenSession,
  textNonce,
} from "./session-record.ts";
import type { CompletedSession, SessionStore } from "./session-store.ts";

/** Longest cookie value that is looked at; the longest this server makes stays below. */
const MAX_COOKIE_LENGTH = 4096;
/** How far another replica's clock may be ahead before its cookies are refused. */
const MAX_CLOCK_SKEW_MS = 60_000;
const ID_BYTES = 16;
const MAX_RECENT = 4096;
const COOKIE_TEXT = /^[A-Za-z0-9_-]+$/;

export interface SessionsOptions {
  readonly keys: KeyRing;
  readonly store: SessionStore;
  /** Milliseconds since the epoch; must not run backwards (see `guardClock`). */
  readonly now: () => number;
  readonly random: (bytes: number) => Uint8Array;
  readonly lifetimeSeconds: number;
}

export interface SessionRequest {
  readonly tee: Tee;
  readonly generation: Generation;
  readonly hashAlgorithm: HashAlgorithm;
  /** A challenge made by the verifier; without one the session makes 32 random bytes. */
  readonly nonce?: string | undefined;
  /** Appraisal policies that the guest chose. */
  readonly policyId?: string | undefined;
}

/**
 * RCAR sessions. An open session is its own cookie, sealed and expiring, so a million abandoned handshakes cost
 * nothing. Server state begins where the nonce is consumed: once, by the first `/attest` that verified.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #recent = new RecentSessions(MAX_RECENT);

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Begins a handshake. @returns the challenge text and the cookie value that brings the session back */
  open(request: SessionRequest): { nonce: string; cookie: string; session: OpenSession } {
    const { now, random, lifetimeSeconds } = this.#options;
    const issuedAt = now();
    const session: OpenSession = {
      id: Buffer.from(random(ID_BYTES)).toString("hex"),
      tee: request.tee,
      generation: request.generation,
      hashAlgorithm: request.hashAlgorithm,
      policyId: request.policyId,
      nonce:
        request.nonce === undefined
          ? { kind: "bytes", bytes: random(NONCE_BYTES) }
          : textNonce(request.nonce),
      issuedAt,
      expiresAt: issuedAt + lifetimeSeconds * 1000,
    };
    const cookie = this.#options.keys.seal("session", "", encodeSession(session)).toString("base64url");
    this.#recent.add(cookie, session);
    return { nonce: request.nonce ?? nonceText(session.nonce) ?? "", cookie, session };
  }

  /** @throws KbsError `session-unknown`: no cookie, not ours, changed, expired, or from the future */
  load(cookie: string | undefined): OpenSession {
    if (cookie === undefined) throw unknown("the request carries no kbs-session-id cookie; begin with /auth");
    const session = this.#unseal(cookie);
    if (session === undefined)
      throw unknown("the session cookie is not one of this server's; begin again with /auth");
    const now = this.#options.now();
    if (now >= session.expiresAt) throw unknown("the session has expired; begin again with /auth");
    if (session.issuedAt > now + MAX_CLOCK_SKEW_MS)
      throw unknown(
        "the session begins in the future; the clocks of the replicas, or this server's, are wrong",
      );
    return session;
  }

  /**
   * The nonce the evidence must be bound to.
   * @param seen - the nonce the guest sent; older generations send none
   * @throws KbsError `handshake-refused` when it is not this session's; the session stays usable
   */
  checkNonce(session: OpenSession, seen: string | undefined): string {
    if (seen === undefined) {
      const nonce = nonceText(session.nonce);
      if (nonce === undefined || session.generation === "0.4") throw wrongNonce();
      return nonce;
    }
    if (!nonceEquals(session.nonce, seen)) throw wrongNonce();
    return seen;
  }

  /**
   * The token of a session that already ended, for a repetition of the very request that ended it.
   * @param bodyDigest - SHA-256 of the `/attest` body
   * @returns `undefined` while the session is open
   * @throws KbsError `session-completed` when another request ended it
   */
  async repeated(
    session: OpenSession,
    bodyDigest: Uint8Array,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const completed = await this.#options.store.load(session.id, signal);
    return completed === undefined ? undefined : this.#sameToken(session, completed, bodyDigest);
  }

  /**
   * Consumes the nonce. Call it after the evidence verified, never before.
   * @returns the session's one token: `token`, or what an identical request got a moment earlier
   * @throws KbsError `session-completed`, `overloaded`, `storage-unavailable`
   */
  async complete(
    session: OpenSession,
    bodyDigest: Uint8Array,
    token: string,
    signal: AbortSignal,
  ): Promise<string> {
    const { keys, store, now } = this.#options;
    // Appraisal takes time; a session that ran out meanwhile must not be entered, or its record could be
    // forgotten while its cookie still opens.
    if (now() >= session.expiresAt) throw unknown("the session expired while the evidence was appraised");
    const sealedToken = keys.seal("token", session.id, Buffer.from(token, "utf8"));
    const completed = { bodyDigest, sealedToken, expiresAt: session.expiresAt };
    const result = await store.complete(session.id, completed, signal);
    return result.outcome === "completed" ? token : this.#sameToken(session, result.session, bodyDigest);
  }

  /** The token behind a cookie, or `undefined`: a stale cookie must not hide a valid Bearer token. */
  async token(
    cookie: string,
    signal: AbortSignal,
  ): Promise<{ readonly token: string; readonly session: OpenSession } | undefined> {
    const session = this.#unseal(cookie);
    if (session === undefined) return undefined;
    const now = this.#options.now();
    if (now >= session.expiresAt || session.issuedAt > now + MAX_CLOCK_SKEW_MS) return undefined;
    const completed = await this.#options.store.load(session.id, signal);
    if (completed === undefined) return undefined;
    const token = this.#recent.token(cookie, completed) ?? this.#openToken(session, completed);
    if (token === undefined) return undefined;
    this.#recent.keepToken(cookie, completed, token);
    return { token, session };
  }

  #unseal(cookie: string): OpenSession | undefined {
    const recent = this.#recent.session(cookie);
    if (recent !== undefined) return recent;
    if (cookie.length > MAX_COOKIE_LENGTH || !COOKIE_TEXT.test(cookie)) return undefined;
    const record = this.#options.keys.open("session", "", Buffer.from(cookie, "base64url"));
    const session = record === undefined ? undefined : decodeSession(record);
    if (session !== undefined) this.#recent.add(cookie, session);
    return session;
  }

  #sameToken(session: OpenSession, completed: CompletedSession, bodyDigest: Uint8Array): string {
    const same =
      completed.bodyDigest.length === bodyDigest.length && timingSafeEqual(completed.bodyDigest, bodyDigest);
    const token = same ? this.#openToken(session, completed) : undefined;
    if (token === undefined)
      throw new KbsError(
        "session-completed",
        "This session already ended in a token and its challenge is used up; begin again with /auth.",
      );
    return token;
  }

  #openToken(session: OpenSession, completed: CompletedSession): string | undefined {
    return this.#options.keys.open("token", session.id, completed.sealedToken)?.toString("utf8");
  }
}

function unknown(reason: string): KbsError {
  return new KbsError("session-unknown", `No usable session: ${reason}.`);
}

function wrongNonce(): KbsError {
  return new KbsError("handshake-refused", "The nonce is not the one this session was challenged with.", {
    extra: {
      check: "nonce",
      expected: "the nonce of this session's challenge",
      seen: "another value, or none",
    },
  });
}
