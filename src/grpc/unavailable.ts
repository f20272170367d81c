import { KbsError } from "../errors.ts";

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
