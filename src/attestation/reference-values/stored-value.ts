import { readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import type { StoredDocument } from "../../storage/document-store.ts";
import { malformed, shown } from "./manifest.ts";

/** Why a value is believed, and where it came from. */
export interface ValueProvenance {
  /** `unknown`: stored before this was written down. */
  readonly vouchedBy: "administrator" | "signer" | "unknown";
  /** Subject of the administrator who sent the message; absent when its signature was its only credential. */
  readonly administrator?: string;
  /** Configured name of the signer whose signature was verified. */
  readonly signer?: string;
  /** `sha256:` and hex over the DER of the signer's public key. */
  readonly signerKey?: string;
  /** Type of the registration message; `value` when it was set by itself. */
  readonly source: string;
  /** `sha384:` and hex over the payload, as it was before base64. */
  readonly payloadDigest?: string;
  /** RFC 3339, UTC; when the manifest says it was made. */
  readonly issuedAt?: string;
}

/** What an appraisal compares claims with, under an opaque name such as `rvps:///example.org/tdx/mr_td:v1`. */
export interface ReferenceValue {
  readonly name: string;
  readonly value: JsonValue;
  /** RFC 3339, whole seconds, UTC. From this moment on the value counts as unknown. */
  readonly expiresAt: string;
  /** The administrator's subject, or `signer:` and the signer's name. */
  readonly by: string;
  /** RFC 3339 */
  readonly at: string;
  /** Counts replacements, from 1. */
  readonly version: number;
  readonly provenance: ValueProvenance;
}

/** Everything known under one name. */
export interface StoredEntry {
  readonly name: string;
  /** Absent: withdrawn, and only the floor is remembered. */
  readonly current: ReferenceValue | undefined;
  /** RFC 3339. Manifests made before do not count here: what was replaced or withdrawn must not be played back. */
  readonly floor: string | undefined;
}

/** What is to be stored under a name. */
export interface EntryDraft {
  readonly value: JsonValue;
  readonly expiresAt: string;
  readonly provenance: ValueProvenance;
}

export const MESSAGE_VERSION = "0.1.0";
/** Longest value as JSON text, in characters. */
const MAX_VALUE_LENGTH = 1024 * 1024;

/** The form in which the provider protocol stores a value (Trustee RVPS), and members of our own. */
export function printEntry(name: string, draft: EntryDraft, floor: string | undefined): string {
  const { value, expiresAt, provenance } = draft;
  const stored = { version: MESSAGE_VERSION, name, expiration: expiresAt, value };
  const text = writeJson({
    ...stored,
    provenance: { ...provenance },
    ...(floor === undefined ? {} : { floor }),
  });
  if (text.length > MAX_VALUE_LENGTH)
    throw malformed("value-invalid", `the value of ${shown(name)} is too long`);
  return text;
}

/** What stays of a withdrawn value. */
export function printWithdrawn(name: string, floor: string): string {
  return writeJson({ version: MESSAGE_VERSION, name, withdrawn: true, floor });
}

/** @throws Error on anything that is not a stored entry */
export function parseEntry(document: StoredDocument): StoredEntry {
  const { name, text } = document;
  const object = readJson(text);
  if (!isObject(object)) throw new Error("not a stored reference value");
  const floor = optionalText(object, "floor");
  if (floor !== undefined && Number.isNaN(Date.parse(floor)))
    throw new Error("a floor that is not a time: replays could not be told");
  if (member(object, "withdrawn") !== true)
    return Object.freeze({ name, current: parseValue(document, object), floor });
  if (floor === undefined) throw new Error("a withdrawn value without its time");
  return Object.freeze({ name, current: undefined, floor });
}

function parseValue({ name, version, by, at }: StoredDocument, object: JsonObject): ReferenceValue {
  const value = member(object, "value");
  const expiresAt = member(object, "expiration");
  // A value without a readable expiry would never expire.
  if (value === undefined || typeof expiresAt !== "string" || Number.isNaN(Date.parse(expiresAt)))
    throw new Error("not a stored reference value");
  const provenance = parseProvenance(member(object, "provenance"));
  return Object.freeze({ name, value, expiresAt, version, by, at, provenance });
}

const TEXTS = ["administrator", "signer", "signerKey", "payloadDigest", "issuedAt"] as const;

function parseProvenance(stored: JsonValue | undefined): ValueProvenance {
  if (!isObject(stored)) return { vouchedBy: "unknown", source: "unknown" };
  const vouchedBy = member(stored, "vouchedBy");
  const source = member(stored, "source");
  if ((vouchedBy !== "administrator" && vouchedBy !== "signer") || typeof source !== "string")
    return { vouchedBy: "unknown", source: "unknown" };
  const texts = TEXTS.map((name) => [name, optionalText(stored, name)] as const);
  return Object.freeze({
    vouchedBy,
    source,
    ...Object.fromEntries(texts.filter(([, text]) => text !== undefined)),
  });
}

function optionalText(object: JsonObject, name: string): string | undefined {
  const value = member(object, name);
  if (value !== undefined && typeof value !== "string") throw new Error(`${name} is not text`);
  return value;
}
