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
}

/** Answer where the guest shall use the protocol's default digest, SHA-384. */
const ORDINARY: Challenge = { extraParams: "", hashAlgorithm: "sha384" };

/**
 * What the server answers to `/auth` beside the nonce (KBS protocol 0.4.0 §2.4): `""`, except for IBM Secure
 * Execution, whose evidence holds 64 bytes and which is therefore told to use SHA-512.
 *
 * @param extraParams - what the guest sent; unknown members are ignored
 * @throws KbsError `handshake-refused` when a Secure Execution guest offers digests without SHA-512
 */
export async function challengeFor(
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
