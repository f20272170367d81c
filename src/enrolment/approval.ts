/** Who decides whether a machine that proved what it is may come in. */
import type { EnrolmentStatus } from "../attestation/formats/tpm2/ak-registry.ts";
import { KbsError } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import type { CompiledPolicy, PolicyEngine, ReferenceValueLookup } from "../policy/policy-engine.ts";

export interface Approval {
  readonly status: Extract<EnrolmentStatus, "approved" | "pending">;
  /** What stands in the record as who decided. */
  readonly by: string;
}

/** @param input - `host`, `ek` (`fingerprint`, `trust`, …) and `ak` of a machine whose proof held */
export type Approve = (input: JsonObject, signal: AbortSignal) => Promise<Approval>;

const RULE = "data.policy.allow";

/** Every machine waits for an administrator. */
export const BY_ADMINISTRATOR: Approve = async () => ({ status: "pending", by: "nobody yet" });

/**
 * A policy lets machines in: only `allow` being true does. Whatever else comes of it leaves the machine waiting for an
 * administrator.
 *
 * @throws KbsError `policy-invalid` when the text does not compile or has no rule `allow`
 */
export function approvalPolicy(
  engine: PolicyEngine,
  text: string,
  referenceValues: () => ReferenceValueLookup,
): Approve {
  const policy = compile(engine, text);
  return async (input, signal) => {
    const outcome = await policy.evaluate(RULE, { input, referenceValues: referenceValues() }, signal);
    const allowed = outcome.kind === "value" && outcome.value === true;
    return allowed ? { status: "approved", by: "the enrolment policy" } : BY_ADMINISTRATOR(input, signal);
  };
}

function compile(engine: PolicyEngine, text: string): CompiledPolicy {
  const { policy, findings } = engine.compile([{ file: "enrolment.rego", text }]);
  if (policy?.entryPoints.includes(RULE) === true) return policy;
  const first = findings.find(({ severity }) => severity === "error");
  const why = first === undefined ? `it has no rule ${RULE}` : `line ${first.row}: ${first.message}`;
  throw new KbsError("policy-invalid", `The enrolment policy cannot be used: ${why}.`);
}
