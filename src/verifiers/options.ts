/** What the functions of `keywarden/verifiers` have in common. */
import type { Expected } from "../attestation/verifier.ts";
import type { ConfigSection } from "../config/section.ts";
import { KbsError } from "../errors.ts";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonValue } from "../json/value.ts";

/** What evidence must be bound to; every function of the library takes the two by these names. */
export interface BindingOptions {
  readonly reportData?: Uint8Array;
  readonly initDataDigest?: Uint8Array;
}

export function expectedOf(options: BindingOptions): Expected {
  return { runtimeDataDigest: options.reportData, initDataDigest: options.initDataDigest };
}

/** Text that is not JSON is evidence without an object, and is refused as that. */
export function jsonOrNothing(evidence: JsonValue | string | Uint8Array): JsonValue {
  if (typeof evidence !== "string" && !(evidence instanceof Uint8Array)) return evidence;
  try {
    return readJson(evidence);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return null;
    throw error;
  }
}

/** @throws KbsError `malformed-request` with every fault */
export function parseSettings<T>(section: ConfigSection<T>, settings: unknown): T {
  const parsed = section.parse(settings, "settings");
  if (parsed.ok) return parsed.value;
  const faults = parsed.faults.map(({ path, message }) => `${path} ${message}`);
  throw new KbsError("malformed-request", faults.join("; "));
}
