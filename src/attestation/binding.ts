import { createHash } from "node:crypto";
import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { canonicalJson } from "../json/write.ts";
import { type TeePublicKey, teePublicKeyJson } from "../protocol/jwk.ts";

/** Hashes with which runtime data is bound into evidence. Which one was fixed at the challenge, never by the guest later. */
export type RuntimeDataHash = "sha256" | "sha384" | "sha512";

/** The names as they stand on the wire; anything else is refused. */
export const RUNTIME_DATA_HASHES: readonly RuntimeDataHash[] = ["sha256", "sha384", "sha512"];
/** Where a caller of the attestation service names none. */
export const DEFAULT_RUNTIME_DATA_HASH: RuntimeDataHash = "sha384";

/**
 * @param name - as a caller of the attestation service wrote it; empty or absent means SHA-384
 * @throws KbsError `malformed-request`
 */
export function parseRuntimeDataHash(name: string | undefined): RuntimeDataHash {
  if (name === undefined || name === "") return DEFAULT_RUNTIME_DATA_HASH;
  const known = RUNTIME_DATA_HASHES.find((each) => each === name);
  if (known !== undefined) return known;
  throw new KbsError(
    "malformed-request",
    `Malformed request: the runtime data hash must be one of ${RUNTIME_DATA_HASHES.join(", ")}.`,
  );
}

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
export function runtimeDataDigest(claims: JsonValue, hash: RuntimeDataHash): Buffer {
  return createHash(hash).update(canonical(claims), "utf8").digest();
}

function canonical(claims: JsonValue): string {
  try {
    return canonicalJson(claims);
  } catch (cause) {
    throw new KbsError("malformed-request", "Malformed request: runtime data holds a lone surrogate.", {
      cause,
    });
  }
}
