/** The paravisor's statements about its VM: keys of the vTPM, configuration, and what the guest wrote as user data. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { fromBase64Url } from "../../../crypto/bytes.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { weakKeyFault } from "../tpm2/keys.ts";

/** What is wrong with variable data, in one sentence part. */
export class VariableDataError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "VariableDataError";
  }
}

export interface VariableData {
  /** The vTPM's attestation key: RSA, at least 2048 bits. */
  readonly attestationKey: KeyObject;
  /** Absent: the paravisor tells nothing. */
  readonly vmConfiguration: JsonObject | undefined;
  /** As it stands; 128 hexadecimal digits where it is right. */
  readonly userData: JsonValue | undefined;
}

const ATTESTATION_KEY = "HCLAkPub";
const MAX_KEYS = 16;
const MAX_MODULUS_BYTES = 512;

/**
 * Members that nobody here knows are passed over: later paravisors have more.
 *
 * @throws VariableDataError for text that is not JSON, and for none, two or a weak attestation key
 */
export function readVariableData(text: Buffer): VariableData {
  const json = parse(text);
  if (!isObject(json)) throw new VariableDataError("variable data that is no JSON object");
  const configuration = member(json, "vm-configuration");
  if (configuration !== undefined && !isObject(configuration))
    throw new VariableDataError("a VM configuration that is no JSON object");
  return {
    attestationKey: readAttestationKey(member(json, "keys")),
    vmConfiguration: configuration,
    userData: member(json, "user-data"),
  };
}

function parse(text: Buffer): JsonValue {
  try {
    return readJson(text, { maxDepth: 8 });
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new VariableDataError(`variable data that is not JSON: ${error.message}`);
  }
}

function readAttestationKey(keys: JsonValue | undefined): KeyObject {
  const list = isArray(keys) ? keys.slice(0, MAX_KEYS + 1) : [];
  if (list.length > MAX_KEYS) throw new VariableDataError(`more than ${MAX_KEYS} keys`);
  const found = list.filter(
    (key): key is JsonObject => isObject(key) && member(key, "kid") === ATTESTATION_KEY,
  );
  const [jwk] = found;
  if (jwk === undefined) throw new VariableDataError(`no key named ${ATTESTATION_KEY}`);
  if (found.length > 1) throw new VariableDataError(`${found.length} keys named ${ATTESTATION_KEY}`);
  const key = importKey(jwk);
  const fault = weakKeyFault(key);
  if (fault !== undefined) throw new VariableDataError(fault);
  return key;
}

function importKey(jwk: JsonObject): KeyObject {
  if (member(jwk, "kty") !== "RSA") throw new VariableDataError("an attestation key that is not RSA");
  const [n, e] = [number(jwk, "n"), number(jwk, "e")];
  try {
    return createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
  } catch (cause) {
    throw Object.assign(new VariableDataError("an attestation key that is malformed"), { cause });
  }
}

function number(jwk: JsonObject, name: string): string {
  const text = member(jwk, name);
  const bytes = typeof text === "string" ? fromBase64Url(text) : undefined;
  if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_MODULUS_BYTES)
    throw new VariableDataError(`an attestation key without a usable ${name}`);
  return bytes.toString("base64url");
}
