import { parseAttestationPolicyUpload } from "../admin/uploads.ts";
import type { RemotePolicies, RemoteReferenceValues } from "../attestation/adapters/attestation-service.ts";
import { KbsError } from "../errors.ts";
import type {
  AdminAnswer,
  AdminCall,
  AdminIdentity,
  AdminOperation,
  AdminPort,
  RequestContext,
} from "../http/ports.ts";
import type { JsonValue } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import type { ReferenceValueLookup } from "../policy/policy-engine.ts";
import type { State } from "./state.ts";

export interface Elsewhere {
  readonly policies: RemotePolicies | undefined;
  readonly referenceValues: RemoteReferenceValues | undefined;
}

type Forward = (operation: AdminOperation, signal: AbortSignal) => Promise<AdminAnswer>;

/**
 * Hands administrators' calls on to the service that will use what they set: a policy that is stored here while
 * somebody else judges would look like success and change nothing.
 */
export class ForwardingAdmin implements AdminPort {
  readonly #inner: AdminPort;
  readonly #forwards: ReadonlyMap<string, Forward>;

  constructor(inner: AdminPort, { policies, referenceValues }: Elsewhere) {
    this.#inner = inner;
    this.#forwards = new Map([
      ...(policies === undefined ? [] : policyForwards(policies)),
      ...(referenceValues === undefined ? [] : referenceValueForwards(referenceValues)),
    ]);
  }

  authorize(call: AdminCall, context: RequestContext, signal: AbortSignal): Promise<AdminIdentity> {
    return this.#inner.authorize(call, context, signal);
  }

  perform(
    operation: AdminOperation,
    administrator: AdminIdentity,
    context: RequestContext,
    signal: AbortSignal,
  ): Promise<AdminAnswer> {
    const forward = this.#forwards.get(operation.operation);
    if (forward !== undefined) return forward(operation, signal);
    return this.#inner.perform(operation, administrator, context, signal);
  }
}

function policyForwards(policies: RemotePolicies): (readonly [string, Forward])[] {
  const elsewhere = keptElsewhere("The attestation service keeps its policies to itself");
  return [
    [
      "attestation-policy.set",
      async ({ body }, signal) => {
        const { name, text } = parseAttestationPolicyUpload(body);
        await policies.setPolicy(name, Buffer.from(text, "utf8").toString("base64url"), signal);
        return { audit: { policy: name, storedAt: "attestation-service" } };
      },
    ],
    ["attestation-policy.list", elsewhere],
    ["attestation-policy.get", elsewhere],
    ["attestation-policy.delete", elsewhere],
  ];
}

function referenceValueForwards(values: RemoteReferenceValues): (readonly [string, Forward])[] {
  const elsewhere = keptElsewhere("The reference value provider does not list or delete over this interface");
  return [
    [
      "reference-value.set",
      async ({ body }, signal) => {
        await values.register(body.toString("utf8"), signal);
        return { contentType: "application/json", audit: { storedAt: "reference-value-provider" } };
      },
    ],
    [
      "reference-value.get",
      async ({ id }, signal) => {
        const value = await values.query(id, signal);
        if (value === undefined)
          throw new KbsError("not-found", "No reference value has this name.", { kbsType: "RvpsError" });
        return { contentType: "application/json", body: writeJson(value) };
      },
    ],
    ["reference-value.list", elsewhere],
    ["reference-value.delete", elsewhere],
  ];
}

function keptElsewhere(sentence: string): Forward {
  return async () => {
    throw new KbsError("not-found", `${sentence}; ask it there.`);
  };
}

/** The state with reference values of a provider elsewhere. What it does not answer denies. */
export function withReferenceValues(state: State, values: RemoteReferenceValues): State {
  return {
    ...state,
    // Taken once per evaluation, which then asks for each name once.
    get lookup(): ReferenceValueLookup {
      const asked = new Map<string, Promise<JsonValue | undefined>>();
      return async (ids, signal) => {
        const answers = ids.map(async (id) => {
          const answer = asked.get(id) ?? values.query(id, signal);
          asked.set(id, answer);
          return [id, (await answer) ?? null] as const;
        });
        return new Map(await Promise.all(answers));
      };
    },
  };
}
