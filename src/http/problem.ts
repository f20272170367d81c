import { KbsError, type ProblemCode } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import { writeJson } from "../json/write.ts";

const TYPE_PREFIX = "https://github.com/confidential-containers/kbs/errors/";
export const PROBLEM_TYPE = "application/problem+json";

/**
 * A refusal as RFC 9457 JSON. KBS clients read `type` and `detail` and nothing else, on every status; the other
 * members are for people and tools.
 */
export function problemBody(error: KbsError, requestId: string, more: JsonObject = {}): string {
  return writeJson({
    type: TYPE_PREFIX + error.kbsType,
    title: error.title,
    status: error.status,
    detail: error.detail,
    instance: requestId,
    code: error.code,
    ...without(error.extra),
    ...more,
  });
}

const OWN_MEMBERS = new Set(["type", "title", "status", "detail", "instance", "code"]);

/** Extra members may add to a problem, never say something else than it does. */
function without(extra: JsonObject | undefined): JsonObject {
  if (extra === undefined) return {};
  return Object.fromEntries(Object.entries(extra).filter(([name]) => !OWN_MEMBERS.has(name)));
}

/** Anything thrown, as a refusal; what nobody foresaw says no more than that it happened. */
export function toKbsError(error: unknown): KbsError {
  if (error instanceof KbsError) return error;
  return new KbsError(
    "internal",
    "The server failed to answer; its log has the reason under this request's id.",
    {
      cause: error,
    },
  );
}

/** The same refusal with another public sentence. */
export function reworded(
  error: KbsError,
  detail: string,
  options: { kbsType?: string; extra?: JsonObject } = {},
): KbsError {
  return new KbsError(error.code, detail, {
    cause: error,
    kbsType: options.kbsType ?? error.kbsType,
    extra: { ...error.extra, ...options.extra },
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
  });
}

const SERVER_FAULTS: ReadonlySet<ProblemCode> = new Set([
  "internal",
  "storage-unavailable",
  "audit-unavailable",
  "attestation-service-unavailable",
  "attestation-service-distrusted",
]);

/** Refusals the peer brought about are its business; the others are the operator's. */
export function isServerFault(code: ProblemCode): boolean {
  return SERVER_FAULTS.has(code);
}
