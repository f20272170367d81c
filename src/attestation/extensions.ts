import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";

/** What a policy adds to the token, beside the trustworthiness vector. */
export interface Extensions {
  /** Members of the submodule, by name. */
  readonly members: JsonObject;
  /** Labels of the same members in the CBOR form, by name; signed 32 bits. */
  readonly keys: Readonly<Record<string, number>>;
}

export const NO_EXTENSIONS: Extensions = { members: {}, keys: {} };

const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;

/** Members of an appraisal that only the pipeline sets, as the IETF drafts spell them. */
const RESERVED: ReadonlySet<string> = new Set([
  "ear_status",
  "ear_trustworthiness_vector",
  "ear_appraisal_policy_id",
  "ear_appraisal_policy_ids",
  "ear_veraison_annotated_evidence",
]);
/** How the IETF drafts begin names of their own. A policy writes `ear.`, and each form of the token its own spelling. */
const IETF_PREFIX = "ear_";

/** Labels of those members (draft-ietf-rats-ear §3, and Veraison's for annotated evidence). */
const RESERVED_KEYS: ReadonlySet<number> = new Set([1000, 1001, 1003, -70000]);

/**
 * Reads what `data.policy.extensions` produced: a list of `{name, key, value}`.
 *
 * @throws KbsError `appraisal-failed`: another shape, a name or key twice, or one that only the pipeline sets
 */
export function parseExtensions(value: JsonValue): Extensions {
  if (!isArray(value)) throw failed("`extensions` is not a list");
  const members = new Map<string, JsonValue>();
  const keys = new Map<string, number>();
  const spellings = new Set<string>();
  for (const entry of value) {
    const { name, key, content } = parseExtension(entry);
    if (spellings.has(ietfSpelling(name)) || [...keys.values()].includes(key))
      throw failed("`extensions` has a name or key twice");
    spellings.add(ietfSpelling(name));
    members.set(name, content);
    keys.set(name, key);
  }
  // Object.fromEntries defines members, so `__proto__` stays an ordinary name.
  return { members: Object.fromEntries(members), keys: Object.fromEntries(keys) };
}

function parseExtension(entry: JsonValue): { name: string; key: number; content: JsonValue } {
  if (!isObject(entry)) throw failed("an element of `extensions` is not an object");
  const name = member(entry, "name");
  const key = member(entry, "key");
  const content = member(entry, "value");
  if (typeof name !== "string" || !isUsable(name))
    throw failed("an element of `extensions` has no usable name");
  if (typeof key !== "number" || !Number.isInteger(key) || key < MIN_INT32 || key > MAX_INT32)
    throw failed("an element of `extensions` has no key of 32 bits");
  if (RESERVED_KEYS.has(key)) throw failed("an element of `extensions` has a key of the appraisal itself");
  if (content === undefined || Object.keys(entry).length !== 3)
    throw failed("an element of `extensions` has other members than name, key and value");
  return { name, key, content };
}

function isUsable(name: string): boolean {
  return name !== "" && !name.startsWith(IETF_PREFIX) && !RESERVED.has(ietfSpelling(name));
}

/**
 * What a token in the IETF profile calls the member. Names that differ in dots and dashes only are one there, so that
 * another spelling must not get past what is reserved.
 */
function ietfSpelling(name: string): string {
  return name.startsWith("ear.") ? name.replaceAll(/[.-]/g, "_") : name;
}

function failed(reason: string): KbsError {
  return new KbsError("appraisal-failed", `The evidence could not be appraised: ${reason}.`);
}
