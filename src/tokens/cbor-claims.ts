import { asBuffer } from "../crypto/bytes.ts";
import {
  type CborKey,
  type CborMap,
  CborTag,
  type CborValue,
  isCborArray,
  isCborBytes,
  isCborMap,
} from "../crypto/cbor.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { TRUST_CLAIMS } from "../protocol/trust-tiers.ts";
import { APPRAISAL_CLAIMS, type ClaimName, EAR_CLAIMS, ietfExtensionKey } from "./ear-names.ts";
import { tokenRefused } from "./refusal.ts";

const BIGNUM_TAG = 2;
const NEGATIVE_BIGNUM_TAG = 3;

/**
 * Claims of a CWT as JSON, under the dotted names, so that policies and everything else here know one form.
 *
 * @param claims - keys are labels or names; a label that is not known becomes a member named by its digits
 * @throws KbsError `token-rejected`
 */
export function jsonClaims(claims: CborMap): JsonObject {
  return renamed(claims, EAR_NAMES, (name, value) => {
    if (name === "submods" && isCborMap(value)) return submodules(value);
    if (name === "ear.verifier-id" && isCborMap(value)) return renamed(value, VERIFIER_ID_NAMES, plain);
    return toJson(value);
  });
}

function submodules(map: CborMap): JsonObject {
  return renamed(map, new Map(), (_, value) =>
    isCborMap(value) ? renamed(value, APPRAISAL_NAMES, appraisalClaim) : toJson(value),
  );
}

function appraisalClaim(name: string, value: CborValue): JsonValue {
  if (name === "ear.trustworthiness-vector" && isCborMap(value)) return renamed(value, VECTOR_NAMES, plain);
  if (name === "ear.veraison.key-attestation" && isCborMap(value)) return renamed(value, KEY_NAMES, plain);
  return toJson(value);
}

const plain = (_: string, value: CborValue): JsonValue => toJson(value);

function renamed(
  map: CborMap,
  names: ReadonlyMap<CborKey, string>,
  convert: (name: string, value: CborValue) => JsonValue,
): JsonObject {
  const members = new Map<string, JsonValue>();
  for (const [key, value] of map) {
    const name = names.get(key) ?? String(key);
    // A label and its own name, or 1 and "1", would be two claims under one name.
    if (members.has(name)) throw tokenRefused("a claim occurs under two keys");
    members.set(name, convert(name, value));
  }
  return Object.fromEntries(members);
}

/** RFC 8949 §6.1: byte strings become base64url, tags other than bignums are left out. */
function toJson(value: CborValue): JsonValue {
  if (isCborBytes(value)) return asBuffer(value).toString("base64url");
  if (isCborArray(value)) return value.map(toJson);
  if (isCborMap(value)) return renamed(value, new Map(), plain);
  if (value instanceof CborTag) return untagged(value);
  if (typeof value === "number" && !Number.isFinite(value))
    throw tokenRefused("a claim is a number that JSON does not have");
  return value;
}

function untagged({ tag, value }: CborTag): JsonValue {
  if (!isCborBytes(value) || (tag !== BIGNUM_TAG && tag !== NEGATIVE_BIGNUM_TAG)) return toJson(value);
  if (value.byteLength > 64) throw tokenRefused("a claim is too large a number");
  const magnitude = BigInt(`0x0${asBuffer(value).toString("hex")}`);
  const number = tag === BIGNUM_TAG ? magnitude : -1n - magnitude;
  return Number.isSafeInteger(Number(number)) ? Number(number) : number;
}

function namesOf(table: readonly ClaimName[]): Map<CborKey, string> {
  return new Map(table.flatMap(({ classic, label }): [CborKey, string][] => [[label, classic]]));
}

const EAR_NAMES = namesOf(EAR_CLAIMS);
const APPRAISAL_NAMES = namesOf(APPRAISAL_CLAIMS).set(
  ietfExtensionKey("ear.trustee.identifiers", -18),
  "ear.trustee.identifiers",
);
const VERIFIER_ID_NAMES: ReadonlyMap<CborKey, string> = new Map([
  [0, "developer"],
  [1, "build"],
]);
const VECTOR_NAMES: ReadonlyMap<CborKey, string> = new Map(TRUST_CLAIMS.map((name, key) => [key, name]));
const KEY_NAMES: ReadonlyMap<CborKey, string> = new Map([[0, "akpub"]]);
