import type { JsonObject, JsonValue } from "../../json/value.ts";
import type { Appraiser, AttestationResult } from "../appraise.ts";
import { type Challenge, challengeFor, type PolicySelectors } from "../challenge.ts";
import type { AppraisalRequest } from "../requests.ts";
import type { Tee, Verifier } from "../verifier.ts";
import type { AttestationService, IssuedAttestation } from "./attestation-service.ts";

export interface BuiltInParts {
  readonly appraiser: Pick<Appraiser, "appraise">;
  readonly verifiers: ReadonlyMap<Tee, Verifier>;
  /** Policies that guests may choose from. */
  readonly selectors: PolicySelectors;
  readonly issue: (result: AttestationResult, signal: AbortSignal) => Promise<IssuedToken>;
  /** Hears of every token that was issued, before the guest does. */
  readonly onIssued: (token: string, claims: JsonObject) => void;
}

interface IssuedToken {
  readonly token: string;
  readonly claims: JsonObject;
  readonly expiresAt: number;
}

/** The verifiers and policies of this very process. */
export class BuiltInAttestationService implements AttestationService {
  readonly name = "built-in";
  readonly #parts: BuiltInParts;

  constructor(parts: BuiltInParts) {
    this.#parts = parts;
  }

  challenge(tee: Tee, extraParams: JsonValue, signal: AbortSignal): Promise<Challenge> {
    const { verifiers, selectors } = this.#parts;
    return challengeFor(tee, extraParams, verifiers.get(tee), signal, selectors);
  }

  async attest(request: AppraisalRequest, signal: AbortSignal): Promise<IssuedAttestation> {
    const result = await this.#parts.appraiser.appraise(request, signal);
    const { token, claims, expiresAt } = await this.#parts.issue(result, signal);
    this.#parts.onIssued(token, claims);
    return { token, tokenExpiresAt: expiresAt };
  }

  async ready(): Promise<void> {}

  async close(): Promise<void> {}
}
