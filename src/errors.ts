import type { JsonObject } from "./json/value.ts";

/** One row of the problem table: what a refusal is called, on the wire and by KBS clients. */
interface Problem {
  readonly status: number;
  readonly title: string;
  /** Variant name clients of the KBS protocol know; the last segment of the `type` URI. */
  readonly kbsType: string;
}

/**
 * Every refusal Keywarden can answer with. Guests answer 401 with a fresh handshake and retry, so 401 is
 * kept for "attesting again may help"; a decision that will not change is 403 or 404.
 */
export const PROBLEMS = {
  "malformed-request": { status: 400, title: "Malformed request", kbsType: "SerdeError" },
  "resource-path-invalid": { status: 400, title: "Invalid resource path", kbsType: "InvalidRequestPath" },
  "policy-invalid": { status: 400, title: "Policy refused", kbsType: "ParsePolicyError" },
  "reference-value-invalid": { status: 400, title: "Reference value refused", kbsType: "RvpsError" },
  "handshake-refused": { status: 401, title: "Handshake refused", kbsType: "AttestationError" },
  "session-unknown": { status: 401, title: "Session unknown or expired", kbsType: "AttestationError" },
  "session-completed": { status: 401, title: "Session already used", kbsType: "AttestationError" },
  "evidence-rejected": { status: 401, title: "Evidence rejected", kbsType: "AttestationError" },
  "appraisal-failed": { status: 401, title: "Appraisal failed", kbsType: "AttestationError" },
  "token-missing": { status: 401, title: "Attestation token missing", kbsType: "TokenNotFound" },
  "token-rejected": { status: 401, title: "Attestation token rejected", kbsType: "TokenVerifierError" },
  "tee-key-rejected": { status: 401, title: "TEE public key rejected", kbsType: "JweError" },
  unauthenticated: { status: 401, title: "Administrator not authenticated", kbsType: "AdminAuthAccess" },
  "admin-forbidden": {
    status: 403,
    title: "Not permitted to this administrator",
    kbsType: "AdminAuthAccess",
  },
  "policy-denied": { status: 403, title: "Denied by policy", kbsType: "PolicyDeny" },
  "policy-error": { status: 403, title: "Policy could not decide", kbsType: "PolicyEngineError" },
  "manifest-untrusted": { status: 403, title: "Manifest not trusted", kbsType: "RvpsError" },
  "enrolment-refused": { status: 403, title: "Enrolment refused", kbsType: "AttestationError" },
  "not-found": { status: 404, title: "Not found", kbsType: "ResourceNotFound" },
  "plugin-not-found": { status: 404, title: "No such plugin", kbsType: "PluginNotFound" },
  "method-not-allowed": { status: 405, title: "Method not allowed", kbsType: "InvalidRequestPath" },
  "request-timeout": { status: 408, title: "Request took too long to arrive", kbsType: "SerdeError" },
  conflict: { status: 409, title: "Already exists", kbsType: "PluginInternalError" },
  "payload-too-large": { status: 413, title: "Payload too large", kbsType: "SerdeError" },
  "rate-limited": { status: 429, title: "Too many requests", kbsType: "AttestationError" },
  "header-too-large": { status: 431, title: "Request head too large", kbsType: "SerdeError" },
  internal: { status: 500, title: "Internal error", kbsType: "PluginInternalError" },
  "collateral-unavailable": { status: 503, title: "Collateral unavailable", kbsType: "AttestationError" },
  "storage-unavailable": {
    status: 503,
    title: "Storage unavailable",
    kbsType: "StorageBackendInitialization",
  },
  "audit-unavailable": {
    status: 503,
    title: "Audit record could not be written",
    kbsType: "PluginInternalError",
  },
  "attestation-service-unavailable": {
    status: 503,
    title: "Attestation service unavailable",
    kbsType: "AttestationError",
  },
  "attestation-service-distrusted": {
    status: 502,
    title: "Attestation service not believed",
    kbsType: "AttestationError",
  },
  "signer-unavailable": { status: 503, title: "Token could not be signed", kbsType: "AttestationError" },
  overloaded: { status: 503, title: "Overloaded", kbsType: "PluginInternalError" },
} as const satisfies Record<string, Problem>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface KbsErrorOptions {
  /** Private reason: goes to the log under the request id, never to the peer. */
  readonly cause?: unknown;
  /** Public members added to the answer (say `check`, `expected`, `seen`, `findings`). */
  readonly extra?: JsonObject;
  /** Replaces the table's variant name where clients know this case by another. */
  readonly kbsType?: string;
  readonly retryAfterSeconds?: number;
}

/**
 * The one error that crosses module borders. `detail` is public: a sentence a person can act on, without
 * secret, token, nonce or internal address.
 */
export class KbsError extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly extra: JsonObject | undefined;
  readonly kbsType: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ProblemCode, detail: string, options: KbsErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "KbsError";
    this.code = code;
    this.detail = detail;
    this.extra = options.extra;
    this.kbsType = options.kbsType ?? PROBLEMS[code].kbsType;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  get title(): string {
    return PROBLEMS[this.code].title;
  }
}
