import { KbsError } from "../errors.ts";
import { JsonSyntaxError, MAX_UNTRUSTED_PARTS, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import { parseTeePublicKey, type TeePublicKey } from "./jwk.ts";
import { TEES, type Tee, teeByName } from "./tee.ts";

/** Wire generations that one server speaks; they differ in layout, runtime data and response format. */
export type Generation = "0.1" | "0.2" | "0.4";

const GENERATIONS: ReadonlyMap<string, Generation> = new Map([
  ["0.1.0", "0.1"],
  ["0.1.1", "0.1"],
  ["0.2.0", "0.2"],
  ["0.4.0", "0.4"],
]);

/** Semantic Versioning 2.0.0: core, pre-release, build metadata (which is ignored, §10). */
const SEMVER =
  /^((?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8}))(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** `POST /auth`: which TEE wants to attest, in which dialect. */
export interface KbsRequest {
  readonly version: string;
  readonly generation: Generation;
  readonly tee: Tee;
  readonly extraParams: JsonValue;
}

export interface InitData {
  readonly format: "toml";
  /** The document exactly as sent; its digest is over these characters. */
  readonly body: string;
}

export interface DeviceEvidence {
  readonly tee: Tee;
  readonly evidence: JsonValue;
}

/** `POST /attest`, the same whatever generation it came in. */
export interface KbsAttestation {
  /**
   * Text of the challenge as the guest returned it; compared and hashed as text, never decoded. 0.1.x and
   * 0.2.0 do not echo it: there the evidence alone binds it.
   */
  readonly nonce: string | undefined;
  readonly teePublicKey: TeePublicKey;
  readonly primaryEvidence: JsonValue;
  /** The raw string, which is hashed into the primary evidence; `""` without devices; only in 0.4.0. */
  readonly additionalEvidence: string;
  /** In the order of the text. */
  readonly additional: readonly DeviceEvidence[];
  readonly initData: InitData | undefined;
}

/** Most devices that one attestation may carry. */
const MAX_DEVICES = 16;

/**
 * @param body - parsed JSON of `POST /auth`
 * @throws KbsError `handshake-refused`
 */
export function parseRequest(body: JsonValue): KbsRequest {
  if (!isObject(body)) throw refused("the request must be a JSON object");
  const version = member(body, "version");
  if (typeof version !== "string") throw refused("version must be a string");
  const generation = generationOf(version);
  const tee = teeByName(member(body, "tee"));
  if (tee === undefined) throw refused(`tee must be one of ${TEES.join(", ")}`);
  const extraParams = member(body, "extra-params");
  if (extraParams === undefined) throw refused('extra-params is missing; "" is its usual value');
  return { version, generation, tee, extraParams };
}

function generationOf(version: string): Generation {
  const parts = SEMVER.exec(version);
  if (parts === null)
    throw refused("failed to parse KBS version: it must be a semantic version such as 0.4.0");
  const generation = parts[2] === undefined ? GENERATIONS.get(parts[1] ?? "") : undefined;
  if (generation !== undefined) return generation;
  const known = [...GENERATIONS.keys()].join(", ");
  throw refused(
    `KBS Client Protocol Version Mismatch: expect one of ${known} while the request is ${parts[0]}`,
  );
}

/** @throws KbsError `malformed-request` | `tee-key-rejected` | `handshake-refused` */
export function parseAttestation(body: JsonValue, generation: Generation): KbsAttestation {
  if (!isObject(body)) throw malformed("the body must be a JSON object");
  return generation === "0.4" ? parseComposite(body) : parseFlat(body, generation);
}

/** 0.4.0: `runtime-data`, composite `tee-evidence`, `init-data`. */
function parseComposite(body: JsonObject): KbsAttestation {
  const runtimeData = objectAt(body, "runtime-data");
  const evidence = objectAt(body, "tee-evidence");
  const additionalEvidence = member(evidence, "additional_evidence");
  if (typeof additionalEvidence !== "string") {
    throw malformed('tee-evidence.additional_evidence must be a string, "" without devices');
  }
  return {
    nonce: stringAt(runtimeData, "nonce", "runtime-data.nonce"),
    teePublicKey: parseTeePublicKey(member(runtimeData, "tee-pubkey")),
    primaryEvidence: required(evidence, "primary_evidence", "tee-evidence.primary_evidence"),
    additionalEvidence,
    additional: parseAdditional(additionalEvidence),
    initData: parseInitData(member(body, "init-data")),
  };
}

/** 0.1.x and 0.2.0: `tee-pubkey` and `tee-evidence` side by side; 0.1.0 sends the evidence as JSON text. */
function parseFlat(body: JsonObject, generation: Generation): KbsAttestation {
  const sent = required(body, "tee-evidence", "tee-evidence");
  const primaryEvidence =
    generation === "0.1" && typeof sent === "string" ? nested(sent, "tee-evidence") : sent;
  return {
    nonce: undefined,
    teePublicKey: parseTeePublicKey(member(body, "tee-pubkey")),
    primaryEvidence,
    additionalEvidence: "",
    additional: [],
    initData: undefined,
  };
}

function parseAdditional(text: string): readonly DeviceEvidence[] {
  if (text === "") return [];
  const devices = nested(text, "tee-evidence.additional_evidence");
  if (!isObject(devices))
    throw refused("additional_evidence must hold a JSON object of TEE name to evidence");
  const names = Object.keys(devices);
  if (names.length > MAX_DEVICES) throw refused(`additional_evidence names more than ${MAX_DEVICES} TEEs`);
  const seen = new Set<Tee>();
  return names.map((name) => {
    const tee = teeByName(name);
    if (tee === undefined) throw refused("additional_evidence names an unknown TEE");
    if (seen.has(tee)) throw refused(`additional_evidence names ${tee} twice`);
    seen.add(tee);
    return { tee, evidence: required(devices, name, `additional_evidence.${tee}`) };
  });
}

function parseInitData(value: JsonValue | undefined): InitData | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw malformed("init-data must be an object or null");
  if (member(value, "format") !== "toml") throw refused('init-data.format must be "toml"');
  return { format: "toml", body: stringAt(value, "body", "init-data.body") };
}

function nested(text: string, where: string): JsonValue {
  try {
    return readJson(text, { maxParts: MAX_UNTRUSTED_PARTS });
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw refused(`${where} is not JSON: ${error.message}`);
    throw error;
  }
}

function objectAt(object: JsonObject, name: string): JsonObject {
  const value = member(object, name);
  if (!isObject(value)) throw malformed(`${name} must be an object`);
  return value;
}

function stringAt(object: JsonObject, name: string, path: string): string {
  const value = member(object, name);
  if (typeof value !== "string") throw malformed(`${path} must be a string`);
  return value;
}

function required(object: JsonObject, name: string, path: string): JsonValue {
  const value = member(object, name);
  if (value === undefined) throw malformed(`${path} is missing`);
  return value;
}

function refused(reason: string): KbsError {
  return new KbsError("handshake-refused", reason);
}

function malformed(reason: string): KbsError {
  return new KbsError("malformed-request", `Malformed request: ${reason}.`);
}
