import { createHash } from "node:crypto";
import { KbsError } from "../errors.ts";
import { JsonSyntaxError, MAX_UNTRUSTED_PARTS, readJson } from "../json/read.ts";
import type { JsonValue } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import { sessionHash } from "../observability/logger.ts";
import { countRelease, type Metrics } from "../observability/metrics.ts";
import { shortened } from "../observability/printable.ts";
import { parseAttestation, parseRequest } from "../protocol/handshake.ts";
import type { OpenSession } from "../sessions/session-record.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { sessionCookieOf, setSessionCookie } from "./cookies.ts";
import type { Exchange } from "./exchange.ts";
import type { Gate } from "./gate.ts";
import type { AttestationPort, ReleasePort } from "./ports.ts";
import { reworded, toKbsError } from "./problem.ts";

export interface GuestDoorDependencies {
  readonly sessions: Sessions;
  readonly attestation: AttestationPort;
  readonly release: ReleasePort;
  readonly attestGate: Gate;
  readonly metrics: Metrics;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly maxBodyBytes: number;
  /** Whether the scheme that clients see is https. */
  readonly secureCookies: boolean;
  /** Append the failed check to the one sentence of `/attest` that guests print. */
  readonly explainInDetail: boolean;
}

/** What a guest asks for a challenge with takes some hundred bytes. */
const MAX_AUTH_BYTES = 64 << 10;
const JSON_TYPE = "application/json";
const ATTEST_FAILED = "Attestation error: RCAR handshake Attest failed";
const AUTH_FAILED = "Attestation error: RCAR handshake Auth failed";

/**
 * The three calls that guests make, on bare `node:http`: `/auth`, `/attest`, and plugin paths that an attestation
 * token opens. They are most of the load, and a general router costs as much as the cryptography.
 */
export class GuestDoor {
  readonly #parts: GuestDoorDependencies;

  constructor(parts: GuestDoorDependencies) {
    this.#parts = parts;
  }

  /** `POST /auth`: which TEE → challenge and session cookie. */
  async auth(exchange: Exchange): Promise<void> {
    const { metrics } = this.#parts;
    exchange.decision.event = "auth";
    metrics.authRequests.inc();
    try {
      await this.#challenge(exchange);
      metrics.authSuccesses.inc();
    } catch (error) {
      metrics.authErrors.inc();
      exchange.refuse(authRefusal(toKbsError(error)));
    }
  }

  /** `POST /attest`: evidence for the session's challenge → token. */
  async attest(exchange: Exchange): Promise<void> {
    exchange.decision.event = "attest";
    this.#parts.metrics.attestationRequests.inc();
    try {
      await this.#appraise(exchange);
    } catch (thrown) {
      const error = toKbsError(thrown);
      this.#countRefusal(exchange, error);
      exchange.refuse(attestRefusal(error, this.#parts.explainInDetail));
    }
  }

  /** A plugin path that a token opens → whatever the plugin releases. */
  async release(
    exchange: Exchange,
    segments: readonly string[],
    query: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { metrics } = this.#parts;
    exchange.decision.event = "release";
    exchange.decision.path = shortened(segments.join("/"));
    if (segments[0] === "resource") metrics.resourceReads.inc();
    try {
      await this.#release(exchange, segments, query);
      countRelease(metrics, "released");
    } catch (thrown) {
      const error = toKbsError(thrown);
      countRelease(metrics, error.code);
      exchange.refuse(error);
    }
  }

  async #challenge(exchange: Exchange): Promise<void> {
    const { attestation, sessions, now, secureCookies, maxBodyBytes } = this.#parts;
    const request = parseRequest(parseJson(await exchange.body(Math.min(maxBodyBytes, MAX_AUTH_BYTES))));
    exchange.decision.tee = request.tee;
    const challenge = await attestation.challenge(request.tee, request.extraParams, exchange.signal);
    const { nonce, cookie, session } = sessions.open({
      tee: request.tee,
      generation: request.generation,
      hashAlgorithm: challenge.hashAlgorithm,
      nonce: challenge.nonce,
      policyId: challenge.policyId,
    });
    exchange.decision.session = sessionHash(session.id);
    const body = writeJson({ nonce, "extra-params": challenge.extraParams });
    const setCookie = setSessionCookie(cookie, session.expiresAt, now(), secureCookies);
    exchange.answer(200, JSON_TYPE, body, ["set-cookie", setCookie]);
  }

  async #appraise(exchange: Exchange): Promise<void> {
    const { sessions, attestation, attestGate, metrics, maxBodyBytes } = this.#parts;
    const cookie = sessionCookieOf(exchange.request.headers.cookie);
    const session = sessions.load(cookie);
    exchange.decision.tee = session.tee;
    exchange.decision.session = sessionHash(session.id);
    const body = await exchange.body(maxBodyBytes);
    const digest = createHash("sha256").update(body).digest();
    const earlier = await sessions.repeated(session, digest, exchange.signal);
    if (earlier !== undefined) return this.#giveToken(exchange, session, cookie, earlier);

    const sent = parseAttestation(parseJson(body), session.generation);
    const nonce = sessions.checkNonce(session, sent.nonce);
    const { tee, generation, hashAlgorithm, policyId } = session;
    const { token } = await attestGate.run(
      () =>
        attestation.appraise(
          { ...sent, tee, generation, hashAlgorithm, nonce, policyId },
          exchange,
          exchange.signal,
        ),
      exchange.signal,
    );
    const won = await sessions.complete(session, digest, token, exchange.signal);
    metrics.attestationSuccesses.inc({ tee_type: session.tee });
    this.#giveToken(exchange, session, cookie, won);
  }

  #giveToken(exchange: Exchange, session: OpenSession, cookie: string | undefined, token: string): void {
    const { now, secureCookies } = this.#parts;
    const setCookie = setSessionCookie(cookie ?? "", session.expiresAt, now(), secureCookies);
    exchange.answer(200, JSON_TYPE, writeJson({ token }), ["set-cookie", setCookie]);
  }

  async #release(
    exchange: Exchange,
    segments: readonly string[],
    query: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { release, maxBodyBytes } = this.#parts;
    const credential = await this.#credential(exchange);
    if (credential === undefined) throw new KbsError("token-missing", "Attestation Token not found");
    const body = await exchange.body(maxBodyBytes);
    const [plugin = "", ...path] = segments;
    const method = exchange.request.method ?? "";
    const answer = await release.release(
      { plugin, path, query, method, body, token: credential.token, legacyResponse: credential.legacy },
      exchange,
      exchange.signal,
    );
    exchange.answer(answer.status, answer.contentType, answer.body);
  }

  /** The session's token if there is one, else the Bearer token: a stale cookie must not hide a valid token. */
  async #credential(exchange: Exchange): Promise<{ token: string; legacy: boolean } | undefined> {
    const { headers } = exchange.request;
    const cookie = sessionCookieOf(headers.cookie);
    const attested =
      cookie === undefined ? undefined : await this.#parts.sessions.token(cookie, exchange.signal);
    if (attested !== undefined) {
      exchange.decision.session = sessionHash(attested.session.id);
      exchange.decision.tee = attested.session.tee;
      return { token: attested.token, legacy: attested.session.generation === "0.1" };
    }
    const token = bearerOf(headers.authorization);
    return token === undefined ? undefined : { token, legacy: false };
  }

  #countRefusal(exchange: Exchange, error: KbsError): void {
    const { metrics } = this.#parts;
    const { tee } = exchange.decision;
    const verdict = error.code === "evidence-rejected" || error.code === "appraisal-failed";
    if (verdict && tee !== undefined) metrics.attestationFailures.inc({ tee_type: tee });
    else metrics.attestationErrors.inc();
  }
}

const BEARER = /^bearer +([^ ]+) *$/i;

/** The token of an `Authorization` header; the scheme's case does not matter (RFC 9110 §11.1). */
export function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1];
}

function parseJson(body: Buffer): JsonValue {
  try {
    return readJson(body, { maxParts: MAX_UNTRUSTED_PARTS });
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new KbsError("malformed-request", `The body is not one JSON document: ${error.message}.`, {
      kbsType: "AttestationError",
    });
  }
}

function authRefusal(error: KbsError): KbsError {
  return error.status >= 402
    ? error
    : reworded(error, `${AUTH_FAILED}: ${error.detail}`, { kbsType: "AttestationError" });
}

/**
 * People search for the one sentence that guests print, and it tells an attacker nothing. Which check failed
 * stands in members of its own, for whoever looks at the answer itself.
 */
function attestRefusal(error: KbsError, explain: boolean): KbsError {
  if (error.status !== 401) return error;
  return reworded(error, explain ? `${ATTEST_FAILED}: ${error.detail}` : ATTEST_FAILED, {
    extra: { explanation: error.detail },
  });
}
