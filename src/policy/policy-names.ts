import type { TeeClass } from "../attestation/verifier.ts";
import { isPathSegment } from "../protocol/resource-path.ts";

/** The policy that decides releases where no other is closer to what is asked for. */
export const RESOURCE_POLICY = "resource-policy";
/** `resource-policy/<repository>[/<type>[/<tag>]]` decides below that path, and alone. */
const CLOSER_POLICY = `${RESOURCE_POLICY}/`;
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
  if (isResourcePolicy(name)) return "resource";
  return attestationPolicyFault(name) === undefined ? "attestation" : undefined;
}

const MAX_PATH_PARTS = 3;

/** Whether a release policy may have this name. */
export function isResourcePolicy(name: string): boolean {
  if (name === RESOURCE_POLICY) return true;
  if (!name.startsWith(CLOSER_POLICY)) return false;
  const parts = name.slice(CLOSER_POLICY.length).split("/");
  return parts.length <= MAX_PATH_PARTS && parts.every(isPathSegment);
}

/**
 * Names of the policies that may decide about a path, the closest first.
 *
 * @param path - repository, type, tag; anything else has no policy of its own
 */
export function resourcePolicyNames(path: readonly string[]): readonly string[] {
  const names = [RESOURCE_POLICY];
  for (let parts = 1; parts <= Math.min(path.length, MAX_PATH_PARTS); parts += 1)
    names.unshift(CLOSER_POLICY + path.slice(0, parts).join("/"));
  return names;
}

/**
 * What is wrong with the name of an appraisal policy, or `undefined`. A name without a class would be
 * stored and never asked, which looks like success.
 */
export function attestationPolicyFault(name: string): string | undefined {
  if (name === RESOURCE_POLICY || name.startsWith(CLOSER_POLICY))
    return `${RESOURCE_POLICY} and what is below it are release policies`;
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
