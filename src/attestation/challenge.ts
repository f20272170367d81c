import { KbsError } from "../errors.ts";
import type { JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import type { RuntimeDataHash } from "./binding.ts";
import type { Tee, Verifier } from "./verifier.ts";

export interface Challenge {
  /** A challenge that the verifier made; otherwise the session makes 32 random bytes. */
  readonly nonce?: string;
  readonly extraParams: JsonValue;
  readonly hashAlgorithm: RuntimeDataHash;
  /** The appraisal policies that the guest chose; absent: it left the choice to the server. */
  readonly policyId?: string;
}

/** Appraisal policies that guests may choose, by the name they choose them by. */
export type PolicySelectors = ReadonlyMap<string, string>;

/** The member of `extra-params` in which a guest names its choice. */
const SELECTOR_MEMBER = "attestation-policy-selector";
/** The name of the server's own choice. */
const SERVERS_CHOICE = "default";
const MAX_SHOWN = 80;

/** Answer where the guest shall use the protocol's default digest, SHA-384. */
const ORDINARY: Challenge = { extraParams: "", hashAlgorithm: "sha384" };

/**
 * What the server answers to `/auth` beside the nonce (KBS protocol 0.4.0 §2.4): `""`, except for IBM Secure
 * Execution, whose evidence holds 64 bytes and which is therefore told to use SHA-512.
 *
 * @param extraParams - what the guest sent; unknown members are ignored
 * @param selectors - appraisal policies that the guest may choose from
 * @throws KbsError `handshake-refused` when a Secure Execution guest offers digests without SHA-512, or a guest
 *   chooses policies that are not among `selectors`
 */
export async function challengeFor(
  tee: Tee,
  extraParams: JsonValue,
  verifier: Verifier | undefined,
  signal: AbortSignal,
  selectors: PolicySelectors = new Map(),
): Promise<Challenge> {
  const policyId = chosenPolicy(extraParams, selectors);
  const challenge = await protocolChallenge(tee, extraParams, verifier, signal);
  return policyId === undefined ? challenge : { ...challenge, policyId };
}

/**
 * A guest can only choose among what the operator mapped. That is decided here, before any evidence is looked at.
 *
 * @returns `undefined` for the server's own choice
 * @throws KbsError `handshake-refused`
 */
function chosenPolicy(extraParams: JsonValue, selectors: PolicySelectors): string | undefined {
  const asked = isObject(extraParams) ? member(extraParams, SELECTOR_MEMBER) : undefined;
  if (asked === undefined || asked === null) return undefined;
  if (typeof asked !== "string")
    throw new KbsError("handshake-refused", `${SELECTOR_MEMBER} must be a string`);
  const found = selectors.get(asked);
  if (found !== undefined || asked === SERVERS_CHOICE) return found;
  throw new KbsError(
    "handshake-refused",
    `${SELECTOR_MEMBER} ${JSON.stringify(asked.slice(0, MAX_SHOWN))} is none of those this server maps to a policy`,
  );
}

async function protocolChallenge(
  tee: Tee,
  extraParams: JsonValue,
  verifier: Verifier | undefined,
  signal: AbortSignal,
): Promise<Challenge> {
  if (tee !== "se") return ORDINARY;
  const offered = isObject(extraParams) ? member(extraParams, "supported-hash-algorithms") : undefined;
  const nonce = await verifier?.challenge?.("", signal);
  const made = nonce === undefined ? {} : { nonce };
  // Secure Execution is bound with SHA-512 whether or not the guest negotiates.
  if (!isArray(offered)) return { ...made, extraParams: "", hashAlgorithm: "sha512" };
  const has512 = offered.some((name) => typeof name === "string" && name.toLowerCase() === "sha512");
  if (!has512) throw new KbsError("handshake-refused", "se needs sha512 among supported-hash-algorithms");
  return { ...made, extraParams: { "selected-hash-algorithm": "sha512" }, hashAlgorithm: "sha512" };
}
