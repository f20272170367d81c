import { createHash } from "node:crypto";
import { KbsError } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import { canonicalJson } from "../json/write.ts";
import { type TeePublicKey, teePublicKeyJson } from "../protocol/jwk.ts";

/** Hashes with which runtime data is bound into evidence. Which one was fixed at the challenge, never by the guest later. */
export type RuntimeDataHash = "sha256" | "sha384" | "sha512";

/** What evidence must be bound to: this handshake's nonce, the key that answers are encrypted to, the devices. */
export interface RuntimeData {
  /** Text of the challenge, byte for byte; it is hashed as text and never decoded. */
  readonly nonce: string;
  readonly teePublicKey: TeePublicKey;
  /**
   * The exact string that listed the devices, `""` for none, so that the primary evidence vouches for them.
   * `undefined` leaves the member out: device evidence, and the generations before 0.4.0.
   */
  readonly additionalEvidence: string | undefined;
}

/**
 * Runtime data as the JSON object that is hashed and later shown to policies. The key has its typed members
 * only: whatever else a guest put into its JWK is neither hashed nor seen again (KBS protocol 0.4.0 §2.6).
 */
export function runtimeDataClaims(data: RuntimeData): JsonObject {
  const claims = { nonce: data.nonce, "tee-pubkey": teePublicKeyJson(data.teePublicKey) };
  return data.additionalEvidence === undefined
    ? claims
    : { "additional-evidence": data.additionalEvidence, ...claims };
}

/**
 * Digest that the evidence must carry: the hash over canonical JSON (RFC 8785).
 *
 * @returns 32, 48 or 64 bytes, before the TEE's own padding or cutting
 * @throws KbsError `malformed-request` when a string in it has no UTF-8 form
 */
export function runtimeDataDigest(claims: JsonObject, hash: RuntimeDataHash): Buffer {
  return createHash(hash).update(canonical(claims), "utf8").digest();
}

function canonical(claims: JsonObject): string {
  try {
    return canonicalJson(claims);
  } catch (cause) {
    throw new KbsError("malformed-request", "Malformed request: runtime data holds a lone surrogate.", {
      cause,
    });
  }
}
