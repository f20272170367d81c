import { randomBytes } from "node:crypto";
import type { Evaluation } from "../attestation/appraise.ts";
import type { VerificationRequest } from "../attestation/requests.ts";
import { EvidenceRejected, type Tee, type Verifier } from "../attestation/verifier.ts";
import { KbsError } from "../errors.ts";
import type { AdminIdentity, RequestContext } from "../http/ports.ts";
import { toKbsError } from "../http/problem.ts";
import type { JsonObject } from "../json/value.ts";
import type { AuditEvent } from "../observability/audit-record.ts";
import type { TokenForm } from "../tokens/forms.ts";
import type { EvaluationRequest } from "./requests.ts";

export interface EvaluationParts {
  readonly evaluate: (
    requests: readonly VerificationRequest[],
    policyIds: readonly string[],
    signal: AbortSignal,
  ) => Promise<Evaluation>;
  /** @param form - the configured one if absent. @returns the signed token */
  readonly issue: (
    evaluation: Evaluation,
    signal: AbortSignal,
    form: TokenForm | undefined,
  ) => Promise<string>;
  readonly verifiers: ReadonlyMap<Tee, Verifier>;
  /** Lets so many verifications run at once as the whole server may do. */
  readonly inTurn: <T>(task: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  /** @throws KbsError `audit-unavailable`: then no token is given out */
  readonly record: (event: AuditEvent) => Promise<void>;
  readonly count: (outcome: string) => void;
}

/** Bytes of a challenge that the service makes for TEEs without one of their own. */
const CHALLENGE_BYTES = 32;

/** The attestation service without its interfaces: evidence in, token out, and a record of it. */
export class EvaluationService {
  readonly #parts: EvaluationParts;

  constructor(parts: EvaluationParts) {
    this.#parts = parts;
  }

  /**
   * @param through - `grpc` or `rest`, for the record
   * @returns compact JWS, or a CWT in base64url
   * @throws KbsError of the pipeline, `overloaded`, `audit-unavailable`
   */
  async evaluate(
    asked: EvaluationRequest,
    caller: AdminIdentity,
    through: string,
    context: RequestContext,
    signal: AbortSignal,
  ): Promise<string> {
    const about = aboutRequest(asked, caller, through, context);
    try {
      const { evaluation, token } = await this.#parts.inTurn(() => this.#judge(asked, signal), signal);
      await this.#parts.record({ ...about, outcome: "issued", submodules: submodulesOf(evaluation) });
      this.#parts.count("issued");
      return token;
    } catch (thrown) {
      const error = toKbsError(thrown);
      this.#parts.count(error.code);
      // A refusal releases nothing, so it stands whether or not it can be put on record.
      await this.#parts.record({ ...about, outcome: error.code, ...checkOf(error) }).catch(() => undefined);
      throw thrown;
    }
  }

  /**
   * A challenge for an attester. Nobody remembers it here: that evidence is fresh is for the caller to see to.
   *
   * @throws KbsError `handshake-refused`
   */
  async challenge(tee: Tee, parameters: string, signal: AbortSignal): Promise<string> {
    const verifier = this.#parts.verifiers.get(tee);
    if (verifier === undefined)
      throw new KbsError(
        "handshake-refused",
        `${tee}: evidence of this kind is not accepted by this server.`,
      );
    return (
      (await verifier.challenge?.(parameters, signal)) ?? randomBytes(CHALLENGE_BYTES).toString("base64")
    );
  }

  async #judge(
    { requests, policyIds, form }: EvaluationRequest,
    signal: AbortSignal,
  ): Promise<{ evaluation: Evaluation; token: string }> {
    const evaluation = await this.#parts.evaluate(requests, policyIds, signal);
    return { evaluation, token: await this.#parts.issue(evaluation, signal, form) };
  }
}

function aboutRequest(
  { requests, policyIds }: EvaluationRequest,
  { name, role }: AdminIdentity,
  through: string,
  { requestId, client }: RequestContext,
): AuditEvent {
  return {
    event: "evaluation",
    interface: through,
    caller: name,
    role,
    tees: requests.map(({ tee }) => tee),
    policy: policyIds[0] ?? "",
    requestId,
    client,
  };
}

function submodulesOf({ submodules }: Evaluation): readonly JsonObject[] {
  return submodules.map(({ name, status, policyHash }) => ({ name, status, policyHash }));
}

function checkOf(error: KbsError): JsonObject {
  return error instanceof EvidenceRejected ? { check: error.check } : {};
}
