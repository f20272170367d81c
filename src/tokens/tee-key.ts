import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import { parseTeePublicKey, type TeePublicKey } from "../protocol/jwk.ts";
import { tokenRefused } from "./refusal.ts";

/**
 * Where issuers in the field put the TEE's public key (KBS protocol 0.4.0 §4.3), in the order in which they are
 * tried. JSON pointers (RFC 6901): dots and dashes in them are literal.
 */
export const TEE_KEY_POINTERS = [
  "/tdx/attester_runtime_data/tee-pubkey",
  "/tdx/attester_user_data/tee-pubkey",
  "/customized_claims/runtime_data/tee-pubkey",
  "/submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims/tee-pubkey",
  "/tee-pubkey",
] as const;

export type Pointer = readonly string[];

/**
 * @param text - RFC 6901
 * @throws TypeError when it is no JSON pointer
 */
export function parsePointer(text: string): Pointer {
  if (!text.startsWith("/") || /~(?![01])/.test(text))
    throw new TypeError(`${JSON.stringify(text)} is not a JSON pointer (RFC 6901)`);
  return text
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

const DEFAULT_POINTERS = TEE_KEY_POINTERS.map(parsePointer);

/**
 * The key that answers are encrypted to: the first pointer that leads somewhere decides, and what stands there
 * must be a key.
 *
 * @param extra - configured pointers, tried first
 * @throws KbsError `token-rejected`: no pointer leads anywhere; `tee-key-rejected`: what is there is no TEE key
 */
export function findTeePublicKey(claims: JsonObject, extra: readonly Pointer[] = []): TeePublicKey {
  for (const pointer of [...extra, ...DEFAULT_POINTERS]) {
    const value = resolvePointer(claims, pointer);
    if (value !== undefined) return parseTeePublicKey(value);
  }
  throw tokenRefused("it carries no TEE public key at any known place");
}

/** RFC 6901 §4, members and array elements. */
export function resolvePointer(root: JsonValue, pointer: Pointer): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const part of pointer) {
    if (isObject(value)) value = member(value, part);
    else if (isArray(value) && /^(0|[1-9]\d{0,9})$/.test(part)) value = value[Number(part)];
    else return undefined;
  }
  return value;
}
