import type { AdminOperation, AdminOperationName } from "../http/ports.ts";
import { API_PREFIX } from "../http/request-target.ts";
import { writeJson } from "../json/write.ts";
import type { Asked, Permission } from "./callers.ts";

/**
 * What the interfaces of the attestation service offer, as the administrative calls of the KBS API that do the same:
 * one table of use cases, one set of roles, one kind of audit record, however somebody came in.
 */

const NONE = Buffer.alloc(0);

function asked(permission: Permission, operation: AdminOperationName, method: string, path: string): Asked {
  return { permission, operation, method, path: `${API_PREFIX}${path}` };
}

export const EVALUATE = asked(
  "evaluate",
  "attestation-service.evaluate",
  "POST",
  "attestation-service/evaluate",
);
export const CHALLENGE = asked(
  "evaluate",
  "attestation-service.challenge",
  "POST",
  "attestation-service/challenge",
);
export const SET_POLICY = asked("administer", "attestation-policy.set", "POST", "attestation-policy");
export const LIST_POLICIES = asked("administer", "attestation-policy.list", "GET", "attestation-policy");
export const REGISTER = asked("administer", "reference-value.set", "POST", "reference-value");
export const LIST_REFERENCE_VALUES = asked(
  "read-reference-values",
  "reference-value.list",
  "GET",
  "reference-value",
);

/**
 * Calls that name one thing. Before the message is read nobody knows which one, so the caller must be allowed to ask
 * for any: `*` in the path is matched by rules that end in `**` or `*`, and by no rule for a single name.
 */
export const GET_POLICY = asked("administer", "attestation-policy.get", "GET", "attestation-policy/*");
export const DELETE_POLICY = asked(
  "administer",
  "attestation-policy.delete",
  "DELETE",
  "attestation-policy/*",
);
export const QUERY_REFERENCE_VALUE = asked(
  "read-reference-values",
  "reference-value.get",
  "GET",
  "reference-value/*",
);
export const DELETE_REFERENCE_VALUE = asked(
  "administer",
  "reference-value.delete",
  "DELETE",
  "reference-value/*",
);

/** @param id - what is named; empty for calls about everything */
export function operationOf({ operation, method }: Asked, id = "", body: Buffer = NONE): AdminOperation {
  const plugin = operation.split(".", 1)[0] ?? "";
  return { operation, plugin, method, path: id === "" ? [] : id.split("/"), id, query: {}, body };
}

/**
 * @param policy - base64url, with or without padding
 * @returns the body of the administrative call
 */
export function policyUpload(policyId: string, policy: string): Buffer {
  const unpadded = policy.length % 4 === 0 ? policy.replace(/={1,2}$/, "") : policy;
  return Buffer.from(writeJson({ policy_id: policyId, policy: unpadded }), "utf8");
}
