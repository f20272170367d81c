import { KbsError } from "../errors.ts";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import { attestationPolicyFault, isResourcePolicy, RESOURCE_POLICY } from "../policy/policy-names.ts";

/** What the bodies of administrative calls hold. */
export interface PolicyUpload {
  readonly name: string;
  readonly text: string;
}

/**
 * `{"policy": "<base64url>"}`; a `policy_id` names the policy of one repository.
 * @throws KbsError `policy-invalid`
 */
export function parseResourcePolicyUpload(body: Uint8Array): PolicyUpload {
  const upload = parseUpload(body);
  const id = member(upload, "policy_id") ?? RESOURCE_POLICY;
  if (typeof id !== "string" || !isResourcePolicy(id))
    throw invalid(
      `the id of a release policy is "${RESOURCE_POLICY}", or "${RESOURCE_POLICY}/<repository>" for one repository`,
    );
  return { name: id, text: policyText(upload) };
}

/**
 * `{"policy_id": "default_cpu", "policy": "<base64url>"}`; `type` is not looked at, as there is one language.
 * @throws KbsError `policy-invalid`
 */
export function parseAttestationPolicyUpload(body: Uint8Array): PolicyUpload {
  const upload = parseUpload(body);
  const name = member(upload, "policy_id");
  if (typeof name !== "string")
    throw invalid('the member "policy_id" must be a string such as "default_cpu"');
  const fault = attestationPolicyFault(name);
  if (fault !== undefined) throw invalid(fault.replace(/\?$/, "? Nothing was stored"));
  return { name, text: policyText(upload) };
}

/** @throws KbsError `reference-value-invalid` */
export function parseReferenceValueUpload(body: Uint8Array): JsonValue {
  try {
    return readJson(body);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new KbsError(
      "reference-value-invalid",
      `Reference value refused: the body is not acceptable JSON: ${error.message}.`,
    );
  }
}

function parseUpload(body: Uint8Array): JsonObject {
  try {
    const value = readJson(body);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw invalid(`the body is not acceptable JSON: ${error.message}`);
  }
  throw invalid('the body must be a JSON object with the member "policy"');
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function policyText(upload: JsonObject): string {
  const encoded = member(upload, "policy");
  if (typeof encoded !== "string") throw invalid('the member "policy" must be a string');
  try {
    return UTF8.decode(decodeBase64Url(encoded));
  } catch (error) {
    if (error instanceof KbsError) throw error;
    throw invalid("the policy is not UTF-8 text");
  }
}

/** Strict (RFC 4648 §5, no padding, no stray bits): what decodes in two ways is refused. */
function decodeBase64Url(encoded: string): Buffer {
  const bytes = Buffer.from(encoded, "base64url");
  if (bytes.toString("base64url") === encoded) return bytes;
  const hint = encoded.includes("=") ? ": leave the padding out" : "";
  throw invalid(`the member "policy" is not base64url without padding${hint}`);
}

function invalid(reason: string): KbsError {
  return new KbsError("policy-invalid", `Policy refused, nothing was changed: ${reason}.`);
}
