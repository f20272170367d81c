import type { TeeClass } from "../attestation/verifier.ts";

/** The one policy that decides releases. */
export const RESOURCE_POLICY = "resource-policy";
/** What is asked of the resource policy, and of an appraisal policy. */
export const RESOURCE_RULE = "data.policy.allow";
export const ATTESTATION_RULE = "data.policy.trust_claims";
/** What an appraisal policy says beside the trustworthiness vector; it may leave this out. */
export const EXTENSIONS_RULE = "data.policy.extensions";

/** Classes of TEEs; an appraisal policy applies to the class its name ends in. */
export const TEE_CLASSES = [
  "cpu",
  "gpu",
  "switch",
  "ppcie",
  "dcu",
  "nvidia-dpu",
] as const satisfies readonly TeeClass[];

const ID = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/;
const MAX_ID_LENGTH = 200;

/** What a policy of this name decides, or `undefined` if no policy can have it. */
export function policyKind(name: string): "resource" | "attestation" | undefined {
  if (name === RESOURCE_POLICY) return "resource";
  return attestationPolicyFault(name) === undefined ? "attestation" : undefined;
}

/**
 * What is wrong with the name of an appraisal policy, or `undefined`. A name without a class would be
 * stored and never asked, which looks like success.
 */
export function attestationPolicyFault(name: string): string | undefined {
  if (name.length > MAX_ID_LENGTH) return `a policy id has at most ${MAX_ID_LENGTH} characters`;
  if (!ID.test(name)) return "a policy id may hold A–Z a–z 0–9 . _ / - and begins with a letter or digit";
  if (TEE_CLASSES.some((teeClass) => name.length > teeClass.length + 1 && name.endsWith(`_${teeClass}`)))
    return undefined;
  const known = TEE_CLASSES.map((teeClass) => `_${teeClass}`).join(", ");
  return `an attestation policy id ends in the TEE class it is for (${known}); did you mean ${suggestion(name)}?`;
}

function suggestion(name: string): string {
  const teeClass = TEE_CLASSES.find((each) => name.toLowerCase().endsWith(each));
  if (teeClass === undefined) return `${name}_cpu`;
  const id = name.slice(0, -teeClass.length).replace(/[._/-]+$/, "");
  return `${id === "" ? "default" : id}_${teeClass}`;
}
