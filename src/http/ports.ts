import type { JsonObject, JsonValue } from "../json/value.ts";
import type { KbsAttestation, KbsRequest } from "../protocol/handshake.ts";
import type { HashAlgorithm } from "../sessions/session-record.ts";

/** Who asks, for the audit log and the logs of deeper layers. */
export interface RequestContext {
  /** Stands in the answer's `instance` and in every log line about the request. */
  readonly requestId: string;
  /** Address of the client, as far as it is known behind trusted proxies. */
  readonly client: string;
}

export interface Challenge {
  /** A challenge made by the verifier; without it the session makes 32 random bytes. */
  readonly nonce?: string;
  /** Goes to the guest as it is. */
  readonly extraParams: JsonValue;
  /** The algorithm `extraParams` implies; guests do not repeat it. */
  readonly hashAlgorithm: HashAlgorithm;
  /** Appraisal policies that the guest chose, to be applied at the end of this very session. */
  readonly policyId?: string;
}

export interface AppraisalRequest extends Omit<KbsAttestation, "nonce"> {
  readonly tee: KbsRequest["tee"];
  readonly generation: KbsRequest["generation"];
  readonly hashAlgorithm: HashAlgorithm;
  /** The session's challenge, already compared with what the guest sent. */
  readonly nonce: string;
  /** What the guest chose when it asked for the challenge; `undefined`: nothing. */
  readonly policyId: string | undefined;
}

export interface AppraisalAnswer {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly tokenExpiresAt: number;
}

/** The verifier side: evidence in, attestation token out. */
export interface AttestationPort {
  /** @throws KbsError `handshake-refused` for a TEE or parameters this server does not take */
  challenge(tee: KbsRequest["tee"], extraParams: JsonValue, signal: AbortSignal): Promise<Challenge>;
  /** @throws KbsError `evidence-rejected`, `appraisal-failed`, `collateral-unavailable` */
  appraise(request: AppraisalRequest, context: RequestContext, signal: AbortSignal): Promise<AppraisalAnswer>;
}

export interface PluginRequest {
  readonly plugin: string;
  readonly method: string;
  /** Decoded segments after the plugin's name. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface ReleaseRequest extends PluginRequest {
  readonly token: string;
  /** Answer in the quasi-JWE of protocol 0.1. */
  readonly legacyResponse: boolean;
}

export interface ReleaseAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer | string;
}

/** The relying party: token, policy, secret, wrap, and the record of it before anybody learns of it. */
export interface ReleasePort {
  /** Who may call a plugin this way; `undefined`: there is no such plugin. Asked before the body is read. */
  access(plugin: string, method: string, path: readonly string[]): "token" | "admin" | undefined;
  /** @throws KbsError `token-rejected`, `policy-denied`, `policy-error`, `not-found`, `audit-unavailable`, … */
  release(request: ReleaseRequest, context: RequestContext, signal: AbortSignal): Promise<ReleaseAnswer>;
}

/** Everything an administrator may ask for; `id` is what follows the first segment, decoded. */
const ADMIN_OPERATIONS = [
  "attestation-policy.set",
  "attestation-policy.list",
  "attestation-policy.get",
  "attestation-policy.delete",
  "resource-policy.set",
  "resource-policy.list",
  "resource-policy.get",
  "resource-policy.delete",
  "reference-value.set",
  "reference-value.list",
  "reference-value.get",
  "reference-value.delete",
  "resource.list",
  "tpm-enrolment.list",
  "tpm-enrolment.get",
  "tpm-enrolment.approve",
  "tpm-enrolment.revoke",
  "tpm-enrolment.delete",
  "attestation-service.evaluate",
  "attestation-service.challenge",
  "plugin",
] as const;
export type AdminOperationName = (typeof ADMIN_OPERATIONS)[number];

export interface AdminCall {
  readonly operation: AdminOperationName;
  readonly method: string;
  /**
   * The one decoded spelling of what is asked for, say `/kbs/v0/resource/team-a/key/1`; segments that a built-in
   * call ignores are left out. This is what an administrator's rule is matched against.
   */
  readonly path: string;
  /** The `Authorization` header as sent. */
  readonly authorization: string | undefined;
}

/** Who the administrator turned out to be; for the audit log. */
export interface AdminIdentity {
  readonly name: string;
  readonly role: string;
}

export interface AdminOperation extends PluginRequest {
  readonly operation: AdminOperationName;
  /** Segments after the first, joined with `/`; empty where there are none. */
  readonly id: string;
}

/** The answer to an administrator; its status is always 200, which is all that `kbs-client` accepts. */
export interface AdminAnswer {
  readonly contentType?: string;
  readonly body?: Buffer | string;
  readonly audit?: JsonObject;
}

/** Who may administer, and the use cases. */
export interface AdminPort {
  /** Asked before the body is read. @throws KbsError `unauthenticated`, `admin-forbidden` */
  authorize(call: AdminCall, context: RequestContext, signal: AbortSignal): Promise<AdminIdentity>;
  perform(
    operation: AdminOperation,
    administrator: AdminIdentity,
    context: RequestContext,
    signal: AbortSignal,
  ): Promise<AdminAnswer>;
}

/** How machines with a bare TPM become known. The machine proves what it is; an administrator or a policy lets it in. */
export interface EnrolmentPort {
  /** @throws KbsError `malformed-request`, `enrolment-refused`, `conflict`, `overloaded` */
  begin(body: Uint8Array, client: string): JsonObject;
  /** @throws KbsError the same, `not-found`, `audit-unavailable`, `storage-unavailable` */
  complete(id: string, body: Uint8Array, context: RequestContext, signal: AbortSignal): Promise<JsonObject>;
}

/** What this server publishes about its own tokens. */
export interface WellKnownPort {
  /** JSON Web Key Set (RFC 7517 §5) of the keys that sign attestation tokens. */
  jwks(): JsonObject;
  /** OpenID Connect Discovery metadata. @param origin - scheme and authority the client used */
  openidConfiguration(origin: string): JsonObject;
}
