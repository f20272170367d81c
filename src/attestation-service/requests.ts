import { parseRuntimeDataHash } from "../attestation/binding.ts";
import type { VerificationRequest } from "../attestation/requests.ts";
import { KbsError } from "../errors.ts";
import { type Message, messagesOf, optionalTextOf, textOf, textsOf } from "../grpc/services.ts";
import { JsonSyntaxError, MAX_UNTRUSTED_PARTS, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import { TEES, type Tee, teeByName } from "../protocol/tee.ts";
import type { TokenForm } from "../tokens/forms.ts";

/** What a caller of the attestation service asks to have evaluated, the same over gRPC and REST. */
export interface EvaluationRequest {
  /** May be empty, which the pipeline refuses. */
  readonly requests: readonly VerificationRequest[];
  /** Never empty. */
  readonly policyIds: readonly string[];
  /** Form of the token; the configured one if absent. */
  readonly form?: TokenForm | undefined;
}

/** Most devices in one request: as many as a handshake may carry, and the primary one. */
const MAX_REQUESTS = 17;
const MAX_POLICY_IDS = 16;
const MAX_POLICY_ID_LENGTH = 200;
const DEFAULT_POLICY = "default";

/** @param message - `attestation.AttestationRequest` @throws KbsError `malformed-request` */
export function evaluationOfMessage(message: Message): EvaluationRequest {
  const requests = bounded(
    messagesOf(message, "verification_requests"),
    MAX_REQUESTS,
    "verification_requests",
  );
  const policyIds = textsOf(message, "policy_ids");
  return {
    requests: requests.map((each, at) => requestOfMessage(each, `verification_requests[${at}]`)),
    policyIds: selectors(policyIds),
  };
}

function requestOfMessage(message: Message, at: string): VerificationRequest {
  const raw = optionalTextOf(message, "raw_runtime_data");
  const structured = optionalTextOf(message, "structured_runtime_data");
  const digest = optionalTextOf(message, "init_data_digest");
  const toml = optionalTextOf(message, "init_data_toml");
  const hash = textOf(message, "runtime_data_hash_algorithm");
  return assemble(at, {
    tee: textOf(message, "tee"),
    evidence: textOf(message, "evidence"),
    ...(raw === undefined ? {} : { raw }),
    ...(structured === undefined ? {} : { structured: json(structured, `${at}.structured_runtime_data`) }),
    ...(digest === undefined ? {} : { digest }),
    ...(toml === undefined ? {} : { toml }),
    hash,
  });
}

/** @param body - parsed body of `POST /attestation` @throws KbsError `malformed-request` */
export function evaluationOfJson(body: JsonValue): EvaluationRequest {
  if (!isObject(body)) throw malformed("the body must be a JSON object");
  const requests = member(body, "verification_requests");
  if (!isArray(requests)) throw malformed("verification_requests must be an array");
  const policyIds = member(body, "policy_ids");
  if (!isArray(policyIds)) throw malformed("policy_ids must be an array; [] means the policy `default`");
  return {
    requests: bounded(requests, MAX_REQUESTS, "verification_requests").map((each, at) =>
      requestOfJson(each, `verification_requests[${at}]`),
    ),
    policyIds: selectors(policyIds.map((each, at) => text(each, `policy_ids[${at}]`))),
  };
}

function requestOfJson(value: JsonValue, at: string): VerificationRequest {
  if (!isObject(value)) throw malformed(`${at} must be an object`);
  const runtime = choice(value, "runtime_data", ["raw", "structured"], at);
  const init = choice(value, "init_data", ["init_data_digest", "init_data_toml"], at);
  const hash = member(value, "runtime_data_hash_algorithm");
  return assemble(at, {
    tee: text(member(value, "tee"), `${at}.tee`),
    evidence: text(member(value, "evidence"), `${at}.evidence`),
    ...(runtime?.name === "raw" ? { raw: text(runtime.value, `${at}.runtime_data.raw`) } : {}),
    ...(runtime?.name === "structured" ? { structured: runtime.value } : {}),
    ...(init?.name === "init_data_digest"
      ? { digest: text(init.value, `${at}.init_data.init_data_digest`) }
      : {}),
    ...(init?.name === "init_data_toml" ? { toml: text(init.value, `${at}.init_data.init_data_toml`) } : {}),
    hash: hash === undefined || hash === null ? "" : text(hash, `${at}.runtime_data_hash_algorithm`),
  });
}

/** Exactly one of `names` below `name`; `undefined` where `name` is absent or null. */
function choice(
  object: JsonObject,
  name: string,
  names: readonly string[],
  at: string,
): { readonly name: string; readonly value: JsonValue } | undefined {
  const value = member(object, name);
  if (value === undefined || value === null) return undefined;
  const [only, ...more] = isObject(value) ? Object.entries(value) : [];
  if (only === undefined || more.length > 0 || !names.includes(only[0]))
    throw malformed(`${at}.${name} must be an object with one member, ${names.join(" or ")}`);
  return { name: only[0], value: only[1] };
}

/** One request as both forms give it: encoded texts. */
interface Parts {
  readonly tee: string;
  readonly evidence: string;
  readonly raw?: string;
  readonly structured?: JsonValue;
  readonly digest?: string;
  readonly toml?: string;
  readonly hash: string;
}

function assemble(at: string, parts: Parts): VerificationRequest {
  const hash = parseRuntimeDataHash(parts.hash);
  return {
    tee: teeNamed(parts.tee, at),
    evidence: json(base64url(parts.evidence, `${at}.evidence`), `${at}.evidence`),
    ...(parts.raw === undefined
      ? {}
      : { runtimeData: { kind: "raw" as const, bytes: base64url(parts.raw, `${at}: raw runtime data`) } }),
    ...(parts.structured === undefined
      ? {}
      : { runtimeData: { kind: "structured" as const, claims: parts.structured, hash } }),
    ...(parts.digest === undefined
      ? {}
      : {
          initData: { kind: "digest" as const, digest: base64url(parts.digest, `${at}: init-data digest`) },
        }),
    ...(parts.toml === undefined ? {} : { initData: { kind: "toml" as const, body: parts.toml } }),
  };
}

/** @throws KbsError `malformed-request` */
export function teeNamed(name: string, at: string): Tee {
  const tee = teeByName(name);
  if (tee === undefined) throw malformed(`${at}.tee must be one of ${TEES.join(", ")}`);
  return tee;
}

function selectors(policyIds: readonly string[]): readonly string[] {
  if (policyIds.length === 0) return [DEFAULT_POLICY];
  const tooLong = policyIds.some((id) => id === "" || id.length > MAX_POLICY_ID_LENGTH);
  if (tooLong) throw malformed(`a policy id has 1 to ${MAX_POLICY_ID_LENGTH} characters`);
  return bounded(policyIds, MAX_POLICY_IDS, "policy_ids");
}

/** RFC 4648 §5; padding is allowed, other characters and stray bits are not. */
function base64url(encoded: string, at: string): Buffer {
  const bytes = Buffer.from(encoded, "base64url");
  const plain = encoded.length % 4 === 0 ? encoded.replace(/={1,2}$/, "") : encoded;
  if (bytes.toString("base64url") !== plain) throw malformed(`${at} is not base64url`);
  return bytes;
}

function json(text: string | Uint8Array, at: string): JsonValue {
  try {
    return readJson(text, { maxParts: MAX_UNTRUSTED_PARTS });
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw malformed(`${at} is not JSON: ${error.message}`);
    throw error;
  }
}

function text(value: JsonValue | undefined, at: string): string {
  if (typeof value !== "string") throw malformed(`${at} must be a string`);
  return value;
}

function bounded<T>(list: readonly T[], most: number, at: string): readonly T[] {
  if (list.length > most) throw malformed(`${at} has more than ${most} entries`);
  return list;
}

function malformed(reason: string): KbsError {
  return new KbsError("malformed-request", `Malformed request: ${reason}.`);
}
