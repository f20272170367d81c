import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import type { Tee } from "../protocol/tee.ts";

export interface AnnotationContext {
  readonly tee: Tee;
  /** `null`: nothing structured was bound. */
  readonly runtimeDataClaims: JsonValue;
  /** `null`: the guest sent none. */
  readonly initDataClaims: JsonObject | null;
  /**
   * false drops the list of devices (`additional-evidence`) from policy input and token: with several GPUs it
   * is what makes a token too large for a request head.
   */
  readonly verbose: boolean;
}

/**
 * Annotated evidence: what the appraisal policy sees as `input` and the token carries. The driver's
 * `report_data` and `init_data` are lifted beside the TEE's own object, each with the claims that it vouches
 * for; a driver that did not check one of them leaves it out, and then its claims do not appear either.
 *
 * @throws KbsError `internal` when a driver put something else than a string there
 */
export function annotate(claims: JsonObject, context: AnnotationContext): JsonObject {
  const { init_data, report_data, ...own } = claims;
  const annotated: Record<string, JsonValue> = { [context.tee]: own };
  if (init_data !== undefined) {
    annotated["init_data"] = text(init_data, "init_data");
    annotated["init_data_claims"] = context.initDataClaims;
  }
  if (report_data !== undefined) {
    annotated["report_data"] = text(report_data, "report_data");
    annotated["runtime_data_claims"] = context.verbose
      ? context.runtimeDataClaims
      : withoutDevices(context.runtimeDataClaims);
  }
  return annotated;
}

function withoutDevices(claims: JsonValue): JsonValue {
  if (!isObject(claims) || member(claims, "additional-evidence") === undefined) return claims;
  const { "additional-evidence": _, ...rest } = claims;
  return rest;
}

function text(value: JsonValue, name: string): string {
  if (typeof value === "string") return value;
  throw new KbsError("internal", "The evidence could not be appraised.", {
    cause: new TypeError(`a verifier gave ${name} that is no string`),
  });
}
