import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { KbsError, type ProblemCode } from "../errors.ts";
import { namedVerdict, ServiceUnavailable } from "./unavailable.ts";

/** Trailer that names the code of the problem table; clients of the reference service do not look at it. */
const CODE_TRAILER = "keywarden-code";

/**
 * Refusals that clients of the reference service never met get a status of their own; everything else is what that
 * service answers whatever happened: ABORTED.
 */
const STATUS_OF: Readonly<Partial<Record<ProblemCode, status>>> = {
  unauthenticated: status.UNAUTHENTICATED,
  "admin-forbidden": status.PERMISSION_DENIED,
  "rate-limited": status.RESOURCE_EXHAUSTED,
  "payload-too-large": status.RESOURCE_EXHAUSTED,
  "not-found": status.NOT_FOUND,
  overloaded: status.UNAVAILABLE,
  "collateral-unavailable": status.UNAVAILABLE,
  "storage-unavailable": status.UNAVAILABLE,
  "audit-unavailable": status.UNAVAILABLE,
  "attestation-service-unavailable": status.UNAVAILABLE,
  internal: status.INTERNAL,
};

/** A refusal as gRPC status, detail and trailer. */
export function statusOf(error: KbsError): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set(CODE_TRAILER, error.code);
  return { code: STATUS_OF[error.code] ?? status.ABORTED, details: error.detail, metadata };
}

/** Statuses by which a service says what it thinks of the request; the others speak of itself or of the way to it. */
const VERDICTS: ReadonlySet<status> = new Set([
  status.ABORTED,
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.NOT_FOUND,
  status.OUT_OF_RANGE,
]);

/**
 * What a failed call to `service` means.
 *
 * @param verdict - the code for a refusal that says no more than that it is one
 * @returns `attestation-service-unavailable` unless the service gave a verdict; the private cause has its own words
 */
export function errorOf(failure: ServiceError, service: string, verdict: ProblemCode): KbsError {
  const [code] = failure.metadata?.get(CODE_TRAILER) ?? [];
  const named = namedVerdict(code, failure.details, failure);
  if (named !== undefined) return named;
  if (VERDICTS.has(failure.code)) return new KbsError(verdict, `The ${service} refused.`, { cause: failure });
  const unreachable = failure.code === status.UNAVAILABLE;
  return new ServiceUnavailable(service, REASONS[failure.code] ?? "it failed", {
    cause: failure,
    unreachable,
  });
}

const REASONS: Readonly<Partial<Record<status, string>>> = {
  [status.UNAVAILABLE]: "it cannot be reached",
  [status.DEADLINE_EXCEEDED]: "it did not answer in time",
  [status.CANCELLED]: "it did not answer in time",
  [status.RESOURCE_EXHAUSTED]: "a message is too long, or it is overloaded",
  [status.UNIMPLEMENTED]: "it does not know this call",
  [status.UNAUTHENTICATED]: "it does not accept the credentials of this server",
  [status.PERMISSION_DENIED]: "it does not accept the credentials of this server",
};
