import { KbsError, PROBLEMS, type ProblemCode } from "../errors.ts";
import { shortened } from "../observability/printable.ts";

/** A service, or the way to it, does not work. What was asked has nothing to do with it. */
export class ServiceUnavailable extends KbsError {
  /** The request did not get there, so that asking once more cannot do anything twice. */
  readonly unreachable: boolean;

  /**
   * @param service - what the sentence calls it: `attestation service`
   * @param reason - public; no address
   */
  constructor(
    service: string,
    reason: string,
    { cause, unreachable = false }: { readonly cause?: unknown; readonly unreachable?: boolean } = {},
  ) {
    super("attestation-service-unavailable", `The ${service} cannot be used: ${reason}.`, {
      retryAfterSeconds: 5,
      ...(cause === undefined ? {} : { cause }),
    });
    this.unreachable = unreachable;
  }
}

/** Codes of another Keywarden that mean here what they mean there; the others speak of it, not of what was asked. */
const TAKEN_OVER: ReadonlySet<string> = new Set<ProblemCode>([
  "malformed-request",
  "policy-invalid",
  "reference-value-invalid",
  "handshake-refused",
  "evidence-rejected",
  "appraisal-failed",
  "not-found",
  "collateral-unavailable",
  "overloaded",
]);

/**
 * A verdict that another Keywarden named by its code.
 *
 * @param code - as it came, over the wire
 * @returns `undefined` for anything that is no verdict
 */
export function namedVerdict(code: unknown, detail: string, cause?: unknown): KbsError | undefined {
  if (typeof code !== "string" || !TAKEN_OVER.has(code) || !Object.hasOwn(PROBLEMS, code)) return undefined;
  // Own member of the table, so it is one of its codes.
  return new KbsError(code as ProblemCode, shortened(detail), cause === undefined ? {} : { cause });
}

/** The interfaces of the attestation service take a bounded number of calls at once. */
export function tooManyCalls(): KbsError {
  return new KbsError("rate-limited", "Too many calls are in progress; try again in a moment.", {
    retryAfterSeconds: 1,
  });
}
