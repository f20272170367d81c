import type { JsonValue } from "../../json/value.ts";
import type { Challenge } from "../challenge.ts";
import type { AppraisalRequest } from "../requests.ts";
import type { Tee } from "../verifier.ts";

/** A token about everything that was asked about. */
export interface IssuedAttestation {
  /** EAR as compact JWS, accepted by this server: signature, nonce and TEE key hold. */
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly tokenExpiresAt: number;
}

/** Administrators' calls that a service keeps for itself; absent where it takes none. */
export interface RemotePolicies {
  /**
   * @param policy - base64url of the Rego text, without padding
   * @throws KbsError `policy-invalid`, `attestation-service-unavailable`
   */
  setPolicy(policyId: string, policy: string, signal: AbortSignal): Promise<void>;
}

/** The same for reference values. */
export interface RemoteReferenceValues {
  /** @param message - JSON text of the provider protocol @throws KbsError `reference-value-invalid`, `attestation-service-unavailable` */
  register(message: string, signal: AbortSignal): Promise<void>;
  /** @returns the value; `undefined`: unknown @throws KbsError `attestation-service-unavailable` */
  query(name: string, signal: AbortSignal): Promise<JsonValue | undefined>;
}

/**
 * Who judges evidence for the broker. Every implementation runs the same suite (`test/contract`): whatever it asks,
 * and whoever answers, the token it returns is signed by the keys that were configured for it and bound to the nonce
 * and key of this very handshake.
 */
export interface AttestationService {
  /** For logs: `built-in`, `coco_as_grpc`, `coco_as_rest`. */
  readonly name: string;
  /** @throws KbsError `handshake-refused`, `attestation-service-unavailable` */
  challenge(tee: Tee, extraParams: JsonValue, signal: AbortSignal): Promise<Challenge>;
  /**
   * Verifies and appraises every device of a handshake.
   *
   * @throws KbsError `evidence-rejected`, `appraisal-failed`, `handshake-refused`: the verdict;
   *   `collateral-unavailable`, `attestation-service-unavailable`: there is none;
   *   `attestation-service-distrusted`: the service answered with something that this server does not believe
   */
  attest(request: AppraisalRequest, signal: AbortSignal): Promise<IssuedAttestation>;
  /** @throws KbsError `attestation-service-unavailable` */
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
