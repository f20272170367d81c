import { KbsError } from "../../errors.ts";
import { ServiceUnavailable } from "../../grpc/unavailable.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import { type Challenge, challengeFor, type PolicySelectors } from "../challenge.ts";
import { type AppraisalRequest, requestsOf, type VerificationRequest } from "../requests.ts";
import type { Tee } from "../verifier.ts";
import type { AttestationService, IssuedAttestation } from "./attestation-service.ts";
import { Circuit } from "./circuit.ts";
import { checkBinding, distrusted } from "./token-binding.ts";

/**
 * One way to speak to a CoCo attestation service. Each call is made once, ends by its own deadline, bounds what it
 * reads, and fails with a KbsError: a verdict, or `attestation-service-unavailable`.
 */
export interface RemoteTransport {
  readonly name: string;
  /** @returns compact JWS, unchecked */
  evaluate(
    requests: readonly VerificationRequest[],
    policyIds: readonly string[],
    signal: AbortSignal,
  ): Promise<string>;
  /** @param parameters - what the guest sent as `extra-params`, as JSON text */
  challenge(tee: Tee, parameters: string, signal: AbortSignal): Promise<string>;
  /** @throws KbsError `attestation-service-unavailable` */
  health(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** What is known of a token whose signature, time and issuer held. */
export interface VerifiedClaims {
  readonly claims: JsonObject;
  /** `TrustedIssuer.name`. */
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly validUntil: number;
}

export interface RemoteParts {
  readonly transport: RemoteTransport;
  /** The broker's own verifier, so that the guest's next request finds the token verified. */
  readonly verify: (token: string, signal: AbortSignal) => Promise<VerifiedClaims>;
  /** Name of the issuer whose keys were configured for this service; a token of another issuer does not count. */
  readonly issuer: string;
  /** Selector of the policies where nobody chose another. */
  readonly policyId: string;
  /** Policies that guests may choose from. */
  readonly selectors: PolicySelectors;
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
  /** Hears of what the service is asked and how it ends; counts, and never evidence. */
  readonly onCall?: (outcome: string, milliseconds: number) => void;
}

/** Time before the one further attempt, for a service that is just being restarted. */
const RETRY_AFTER_MS = 150;

/** An attestation service elsewhere. It is asked, and then not believed until its token proved itself. */
export class RemoteAttestationService implements AttestationService {
  readonly name: string;
  readonly #parts: RemoteParts;
  readonly #circuit: Circuit;

  constructor(parts: RemoteParts) {
    this.name = parts.transport.name;
    this.#parts = parts;
    this.#circuit = new Circuit({ monotonic: parts.monotonic });
  }

  /** Only Secure Execution needs the service for its challenge; every other nonce is made here. */
  async challenge(tee: Tee, extraParams: JsonValue, signal: AbortSignal): Promise<Challenge> {
    const asks = {
      tee,
      // The contract of a driver; nothing is verified by way of a challenge.
      verify: () => Promise.reject(new TypeError("a remote service verifies by evaluation")),
      challenge: () =>
        this.#call((transport) => transport.challenge(tee, writeJson(extraParams), signal), signal),
    };
    return challengeFor(tee, extraParams, asks, signal, this.#parts.selectors);
  }

  async attest(request: AppraisalRequest, signal: AbortSignal): Promise<IssuedAttestation> {
    const requests = requestsOf(request);
    const policyIds = [request.policyId ?? this.#parts.policyId];
    const token = await this.#call((transport) => transport.evaluate(requests, policyIds, signal), signal);
    const { claims, validUntil } = await this.#believe(token, signal);
    checkBinding(claims, request);
    return { token, tokenExpiresAt: validUntil };
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#parts.transport.health(signal);
  }

  async close(): Promise<void> {
    this.#parts.transport.close();
  }

  async #believe(token: string, signal: AbortSignal): Promise<VerifiedClaims> {
    let verified: VerifiedClaims;
    try {
      verified = await this.#parts.verify(token, signal);
    } catch (error) {
      if (error instanceof KbsError && REFUSALS_OF_TOKENS.has(error.code))
        throw distrusted("it does not verify with the keys that are configured for it", error);
      throw error;
    }
    if (verified.issuer !== this.#parts.issuer) throw distrusted("another issuer made it");
    return verified;
  }

  /** One further attempt, and only if the first did not reach the service: a verdict is final. */
  async #call<T>(ask: (transport: RemoteTransport) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { transport, monotonic, onCall } = this.#parts;
    const began = monotonic();
    const attempt = () => this.#circuit.run(() => ask(transport), leftAlone);
    try {
      const answer = await attempt().catch(async (error: unknown) => {
        if (!isWorthRepeating(error, signal)) throw error;
        await pause(RETRY_AFTER_MS, signal);
        return attempt();
      });
      onCall?.("ok", monotonic() - began);
      return answer;
    } catch (error) {
      onCall?.(error instanceof KbsError ? error.code : "internal", monotonic() - began);
      throw error;
    }
  }
}

const REFUSALS_OF_TOKENS: ReadonlySet<string> = new Set(["token-rejected", "tee-key-rejected"]);

/** A service that did not answer in time is not asked again: it had all the time there was. */
function isWorthRepeating(error: unknown, signal: AbortSignal): boolean {
  return !signal.aborted && error instanceof ServiceUnavailable && error.unreachable;
}

function leftAlone(): KbsError {
  return new ServiceUnavailable(
    "attestation service",
    "it keeps failing and is left alone for a few seconds",
  );
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
