import { createHash, type KeyObject } from "node:crypto";
import type { SignatureAlgorithm } from "../../crypto/signature-algorithms.ts";
import { KbsError } from "../../errors.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { nameFault } from "../../storage/document-store.ts";

/** What kinds of faults a message can have; stable, in the member `fault` of a refusal. */
export const MANIFEST_FAULTS = [
  "message-malformed",
  "version-unsupported",
  "type-unsupported",
  "payload-too-large",
  "payload-malformed",
  "unsupported",
  "empty",
  "too-many-values",
  "name-invalid",
  "name-ambiguous",
  "value-invalid",
  "expired",
  "not-yet-valid",
  "expiry-invalid",
] as const;
export type ManifestFault = (typeof MANIFEST_FAULTS)[number];

/** Why a manifest that can be read is not believed; stable, in the member `fault` of a refusal. */
export const TRUST_FAULTS = [
  "unsigned",
  "signer-unknown",
  "name-not-permitted",
  "name-taken",
  "issue-time-missing",
  "superseded",
] as const;
export type TrustFault = (typeof TRUST_FAULTS)[number];

/** A payload read by the extractor of its type. Nothing in it is stored unless all of it is acceptable. */
export interface Extraction {
  /** Never empty. */
  readonly values: ReadonlyMap<string, JsonValue>;
  /** What the payload says and no value stands for, each as a sentence with its place. */
  readonly leftOut: readonly string[];
  /** Milliseconds since the epoch; when whoever made the manifest says it was made. */
  readonly issuedAt?: number;
  /** Milliseconds since the epoch; before this moment it is not to be used. */
  readonly validFrom?: number;
  /** Milliseconds since the epoch; from this moment on it is not to be used. */
  readonly validUntil?: number;
  /** Absent: the payload carries no signature. */
  readonly signature?: ManifestSignature;
}

/** What can be asked of a payload's signatures; whose keys count is asked elsewhere. */
export interface ManifestSignature {
  /** The one algorithm that the payload names in its signed part; `undefined` where the format names none. */
  readonly algorithm: SignatureAlgorithm | undefined;
  /** DER certificates that came along, leaf first; empty without any. */
  readonly certificates: readonly Uint8Array[];
  /** Whether this public key made one of the signatures, with this algorithm and no other. */
  isBy(algorithm: SignatureAlgorithm, key: KeyObject): boolean;
}

export type Extractor = (payload: Buffer) => Extraction;

/** Most values one message may set. */
export const MAX_VALUES_PER_MESSAGE = 10_000;
/** Longest payload, after base64. */
export const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
/** Most remarks about what was left out. */
const MAX_LEFT_OUT = 50;

/**
 * @param position - where in the payload, in the terms of its format: `line 3, column 7`, `tags[0].triples`
 * @returns a refusal; nothing of the message is registered
 */
export function malformed(fault: ManifestFault, reason: string, position?: string): KbsError {
  const place = position === undefined ? "" : ` (${position})`;
  return new KbsError("reference-value-invalid", `Reference value refused: ${reason}${place}.`, {
    extra: { fault, ...(position === undefined ? {} : { position }) },
  });
}

/** @returns a refusal of what nobody trusted vouches for */
export function untrusted(fault: TrustFault, reason: string, extra: JsonObject = {}): KbsError {
  return new KbsError("manifest-untrusted", `Reference values refused: ${reason}.`, {
    extra: { fault, ...extra },
  });
}

/** @throws KbsError `reference-value-invalid` */
export function checkReferenceValueName(name: string, position?: string): string {
  const fault = nameFault(name);
  if (fault !== undefined) throw malformed("name-invalid", `a name is not usable: ${fault}`, position);
  if (name === RESERVED_NAME)
    throw malformed("name-invalid", "a name is reserved for the store's own use", position);
  return name;
}

/** The document under which a registration of several values keeps what to go back to. */
export const RESERVED_NAME = "keywarden:registration-in-progress";

/** Collects what a payload names, one value after the other, within bounds. */
export class Collected {
  readonly values: Map<string, JsonValue> = new Map();
  readonly leftOut: string[] = [];
  #unsaid = 0;

  /** @throws KbsError `reference-value-invalid` */
  add(name: string, value: JsonValue, position?: string): void {
    checkReferenceValueName(name, position);
    if (this.values.has(name))
      throw malformed("name-ambiguous", `the name ${shown(name)} is given two values`, position);
    if (this.values.size >= MAX_VALUES_PER_MESSAGE) throw tooMany();
    this.values.set(name, value);
  }

  leaveOut(what: string, position: string): void {
    if (this.leftOut.length < MAX_LEFT_OUT) this.leftOut.push(`${what} (${position})`);
    else this.#unsaid += 1;
  }

  /** @throws KbsError `reference-value-invalid` when there is no value */
  finish(): Pick<Extraction, "values" | "leftOut"> {
    if (this.values.size === 0) {
      const [first] = this.leftOut;
      throw malformed(
        "empty",
        `the payload names no reference value${first === undefined ? "" : `: ${first}`}`,
      );
    }
    const more = this.#unsaid === 0 ? [] : [`and ${this.#unsaid} more`];
    return { values: this.values, leftOut: [...this.leftOut, ...more] };
  }
}

export function tooMany(): KbsError {
  return malformed(
    "too-many-values",
    `a message may name at most ${MAX_VALUES_PER_MESSAGE} reference values`,
  );
}

/** `sha384:` and lower-case hex. */
export function payloadDigest(payload: Uint8Array): string {
  return `sha384:${createHash("sha384").update(payload).digest("hex")}`;
}

export function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
