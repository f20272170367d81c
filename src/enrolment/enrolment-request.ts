/** What a machine sends to be enrolled. */

import type { KeyObject } from "node:crypto";
import { Tpm2FormatError } from "../attestation/formats/tpm2/cursor.ts";
import { keyFingerprint, weakKeyFault } from "../attestation/formats/tpm2/keys.ts";
import {
  attestationKeyFault,
  endorsementKeyFault,
  objectName,
  type PublicArea,
  publicKeyOf,
  readPublicArea,
} from "../attestation/formats/tpm2/public-area.ts";
import { fromBase64 } from "../crypto/bytes.ts";
import { KbsError } from "../errors.ts";
import { JsonSyntaxError, MAX_UNTRUSTED_PARTS, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";

export interface EnrolmentRequest {
  readonly host: string;
  readonly endorsementKey: PublicArea;
  /** See `keyFingerprint`. */
  readonly ekFingerprint: string;
  /** DER, the endorsement key's own first; empty when the machine has none. */
  readonly ekCertificates: readonly Buffer[];
  /** The attestation key's Name, algorithm included. */
  readonly akName: Buffer;
  readonly akFingerprint: string;
  /** DER SubjectPublicKeyInfo. */
  readonly akSpki: Buffer;
}

const MAX_CERTIFICATES = 8;
const MAX_CERTIFICATE_BYTES = 16 * 1024;
/** Host names and what people call machines: letters, digits and `.-_:`, as in DNS and in Kubernetes node names. */
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$/;
const PROOF_BYTES = 32;

/**
 * @throws KbsError `malformed-request` naming the member; `enrolment-refused` for a key that can be read and cannot be
 *   what it is said to be
 */
export function readEnrolmentRequest(body: Uint8Array): EnrolmentRequest {
  const json = objectOf(body, ["host", "ek_public", "ek_certificates", "ak_public"]);
  const host = member(json, "host");
  if (typeof host !== "string" || !HOST.test(host))
    throw malformed("host: a name of letters, digits and .-_: with at most 253 characters is required");
  const endorsementKey = area(json, "ek_public", endorsementKeyFault);
  const attestationKey = area(json, "ak_public", attestationKeyFault);
  const ekKey = strongKey("ek_public", endorsementKey);
  const akKey = strongKey("ak_public", attestationKey);
  // All that the credential proves is that the TPM holds an object of this name; with SHA-1 two objects can share one.
  if (attestationKey.nameAlgorithm === "sha1")
    throw refused("the attestation key is named by SHA-1; SHA-256 or more is required");
  return {
    host,
    endorsementKey,
    ekFingerprint: keyFingerprint(ekKey),
    ekCertificates: certificates(member(json, "ek_certificates")),
    akName: objectName(attestationKey),
    akFingerprint: keyFingerprint(akKey),
    akSpki: akKey.export({ type: "spki", format: "der" }),
  };
}

/** @returns HMAC-SHA256, 32 bytes. @throws KbsError `malformed-request` */
export function readProof(body: Uint8Array): Buffer {
  const proof = bytes(objectOf(body, ["proof"]), "proof");
  if (proof.length !== PROOF_BYTES) throw malformed(`proof: ${PROOF_BYTES} bytes in base64 are required`);
  return proof;
}

function objectOf(body: Uint8Array, known: readonly string[]): JsonObject {
  const json = parse(body);
  if (!isObject(json)) throw malformed("a JSON object is required");
  const unknown = Object.keys(json).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw malformed(
      `the member ${JSON.stringify(unknown.slice(0, 40))} is not known; there are ${known.join(", ")}`,
    );
  return json;
}

function parse(body: Uint8Array): JsonValue {
  try {
    return readJson(body, { maxParts: MAX_UNTRUSTED_PARTS });
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw malformed(`the body is not one JSON document: ${error.message}`);
  }
}

function area(json: JsonObject, name: string, faultOf: (area: PublicArea) => string | undefined): PublicArea {
  const read = orMalformed(name, () => readPublicArea(bytes(json, name)));
  const fault = faultOf(read);
  if (fault !== undefined) throw refused(`${name} cannot be such a key: ${fault}`);
  return read;
}

function strongKey(name: string, read: PublicArea): KeyObject {
  const key = orMalformed(name, () => publicKeyOf(read));
  const weak = weakKeyFault(key);
  if (weak !== undefined) throw refused(`${name} is ${weak}`);
  return key;
}

function orMalformed<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Tpm2FormatError)) throw error;
    throw malformed(`${name}: ${error.message}`);
  }
}

function certificates(value: JsonValue | undefined): readonly Buffer[] {
  if (value === undefined) return [];
  if (!isArray(value) || value.length > MAX_CERTIFICATES)
    throw malformed(`ek_certificates: a list of at most ${MAX_CERTIFICATES} certificates is required`);
  return value.map((one, i) => {
    const der = typeof one === "string" ? fromBase64(one) : undefined;
    if (der === undefined || der.length === 0 || der.length > MAX_CERTIFICATE_BYTES)
      throw malformed(`ek_certificates[${i}]: a certificate in base64 is required`);
    return der;
  });
}

function bytes(json: JsonObject, name: string): Buffer {
  const value = member(json, name);
  const read = typeof value === "string" ? fromBase64(value) : undefined;
  if (read === undefined || read.length === 0) throw malformed(`${name}: base64 is required`);
  return read;
}

function malformed(what: string): KbsError {
  return new KbsError("malformed-request", `The enrolment request is refused: ${what}.`);
}

export function refused(why: string): KbsError {
  return new KbsError("enrolment-refused", `The enrolment is refused: ${why}.`);
}
