import { KbsError } from "../../errors.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { canonicalJson, isObject, member } from "../../json/write.ts";
import { parseTeePublicKey, type TeePublicKey, teePublicKeyJson } from "../../protocol/jwk.ts";
import type { AppraisalRequest } from "../requests.ts";

const EVIDENCE = "ear.veraison.annotated-evidence";
/** Members of annotated evidence that are not a TEE's own. */
const ENVELOPE: ReadonlySet<string> = new Set([
  "report_data",
  "runtime_data_claims",
  "init_data",
  "init_data_claims",
]);

/**
 * Checks that a token of another service, whose signature and time held, speaks of this very handshake: the devices
 * that were asked about and no others, this nonce, this TEE key. That is what our own pipeline guarantees for our own
 * tokens; a service that answers with an old token, or with somebody else's, is found out here.
 *
 * @param claims - payload of the token
 * @throws KbsError `attestation-service-distrusted`
 */
export function checkBinding(claims: JsonObject, request: AppraisalRequest): void {
  const devices = annotatedEvidence(claims);
  const asked = new Set<string>([request.tee, ...request.attestation.additional.map(({ tee }) => tee)]);
  const seen = new Set(devices.flatMap(({ tees }) => tees));
  for (const tee of asked) if (!seen.has(tee)) throw distrusted(`it says nothing about the ${tee} evidence`);
  for (const tee of seen)
    if (!asked.has(tee)) throw distrusted("it speaks of a device that nobody asked about");
  let bound = false;
  for (const { evidence, tees } of devices) {
    const runtimeData = member(evidence, "runtime_data_claims");
    if (runtimeData === undefined) continue;
    checkRuntimeData(runtimeData, request);
    bound ||= tees.includes(request.tee);
  }
  // Without it nothing says that the primary evidence was made for this handshake.
  if (!bound) throw distrusted("it does not show what the primary evidence was bound to");
}

interface DeviceOfToken {
  readonly evidence: JsonObject;
  readonly tees: readonly string[];
}

function annotatedEvidence(claims: JsonObject): readonly DeviceOfToken[] {
  const submodules = member(claims, "submods");
  if (!isObject(submodules)) throw distrusted("it has no submodules");
  return Object.values(submodules).map((submodule) => {
    const evidence = isObject(submodule) ? member(submodule, EVIDENCE) : undefined;
    if (!isObject(evidence)) throw distrusted("a submodule of it has no annotated evidence");
    return { evidence, tees: Object.keys(evidence).filter((name) => !ENVELOPE.has(name)) };
  });
}

function checkRuntimeData(value: JsonValue, { nonce, attestation, generation }: AppraisalRequest): void {
  if (!isObject(value)) throw distrusted("it shows no runtime data");
  if (member(value, "nonce") !== nonce) throw distrusted("it is bound to the nonce of another handshake");
  if (!sameKey(member(value, "tee-pubkey"), attestation.teePublicKey))
    throw distrusted("it is bound to the TEE key of another handshake");
  const devices = member(value, "additional-evidence");
  // A service that keeps its tokens short leaves the list out.
  if (devices === undefined || generation !== "0.4") return;
  if (devices !== attestation.additionalEvidence) throw distrusted("it is bound to another list of devices");
}

function sameKey(shown: JsonValue | undefined, key: TeePublicKey): boolean {
  try {
    return canonicalJson(teePublicKeyJson(parseTeePublicKey(shown))) === canonicalJson(teePublicKeyJson(key));
  } catch (error) {
    if (error instanceof KbsError) return false;
    throw error;
  }
}

/** The service answered, and what it answered cannot be believed. Asking the guest again would not help. */
export function distrusted(reason: string, cause?: unknown): KbsError {
  return new KbsError(
    "attestation-service-distrusted",
    `The token of the attestation service is refused: ${reason}.`,
    cause === undefined ? {} : { cause },
  );
}
