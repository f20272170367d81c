import { KbsError } from "../errors.ts";
import type { JsonValue } from "../json/value.ts";
import type { Generation, KbsAttestation } from "../protocol/handshake.ts";
import { type RuntimeDataHash, runtimeDataClaims, runtimeDataDigest } from "./binding.ts";
import { type InitData, receiveInitData } from "./init-data.ts";
import type { Tee } from "./verifier.ts";

/** What a handshake brings to be appraised. */
export interface AppraisalRequest {
  /** The TEE that the guest named when it asked for the challenge. */
  readonly tee: Tee;
  readonly generation: Generation;
  /** Text of this session's challenge. That the guest returned the same one is the session's business. */
  readonly nonce: string;
  readonly runtimeDataHash: RuntimeDataHash;
  readonly attestation: KbsAttestation;
  /** Appraisal policies that were chosen at the challenge; the server's own choice if absent. */
  readonly policyId?: string;
}

/** What the guest had bound into its evidence. */
export type RuntimeDataInput =
  | { readonly kind: "raw"; readonly bytes: Uint8Array }
  | { readonly kind: "structured"; readonly claims: JsonValue; readonly hash: RuntimeDataHash };

/** What the host had bound into the launch. */
export type InitDataInput =
  | { readonly kind: "digest"; readonly digest: Uint8Array }
  | { readonly kind: "toml"; readonly body: string };

/** One evidence, as a caller of the attestation service hands it in. */
export interface VerificationRequest {
  readonly tee: Tee;
  readonly evidence: JsonValue;
  /**
   * Absent: report data is not compared, and TEEs that demand a binding refuse. Only callers of the attestation
   * service may leave it out; a handshake never does.
   */
  readonly runtimeData?: RuntimeDataInput;
  readonly initData?: InitDataInput;
}

/** One evidence with the digests it must carry, and the claims that it vouches for by carrying them. */
export interface Device {
  readonly tee: Tee;
  readonly evidence: JsonValue;
  readonly runtimeDataDigest: Uint8Array | undefined;
  /** `null`: nothing structured was bound. */
  readonly runtimeDataClaims: JsonValue;
  readonly initDataDigest: Uint8Array | undefined;
  /** Reads the document. Call it after the evidence verified. @throws KbsError `handshake-refused` */
  readonly openInitData: () => InitData["claims"] | null;
}

/**
 * Works out what evidence must be bound to.
 *
 * @throws KbsError `handshake-refused`: init-data that is unusable; `malformed-request`: runtime data without
 *   canonical form
 */
export function deviceOf({ tee, evidence, runtimeData, initData }: VerificationRequest): Device {
  return { tee, evidence, ...runtimeBinding(runtimeData), ...initBinding(initData) };
}

function runtimeBinding(
  input: RuntimeDataInput | undefined,
): Pick<Device, "runtimeDataDigest" | "runtimeDataClaims"> {
  if (input === undefined) return { runtimeDataDigest: undefined, runtimeDataClaims: null };
  if (input.kind === "raw") return { runtimeDataDigest: input.bytes, runtimeDataClaims: null };
  const { claims, hash } = input;
  return { runtimeDataDigest: runtimeDataDigest(claims, hash), runtimeDataClaims: claims };
}

function initBinding(input: InitDataInput | undefined): Pick<Device, "initDataDigest" | "openInitData"> {
  if (input === undefined) return { initDataDigest: undefined, openInitData: () => null };
  if (input.kind === "digest") return { initDataDigest: input.digest, openInitData: () => null };
  const { digest, open } = receiveInitData(input.body);
  return { initDataDigest: digest, openInitData: () => open().claims };
}

/**
 * The devices of a handshake in the order of its text, the primary one first: it alone vouches for the list of the
 * others and for init-data.
 *
 * @throws KbsError `handshake-refused` when a TEE is named twice
 */
export function requestsOf(request: AppraisalRequest): readonly VerificationRequest[] {
  const { attestation, generation, nonce, tee, runtimeDataHash: hash } = request;
  const { teePublicKey, additional, additionalEvidence, initData } = attestation;
  const names = new Set(additional.map((each) => each.tee));
  if (names.size !== additional.length)
    throw new KbsError("handshake-refused", "The additional evidence names a TEE twice.");
  const bound = (devices: string | undefined): RuntimeDataInput => {
    const claims = runtimeDataClaims({ nonce, teePublicKey, additionalEvidence: devices });
    return { kind: "structured", claims, hash };
  };
  const primary: VerificationRequest = {
    tee,
    evidence: attestation.primaryEvidence,
    runtimeData: bound(generation === "0.4" ? additionalEvidence : undefined),
    ...(initData === undefined ? {} : { initData: { kind: "toml", body: initData.body } }),
  };
  return [primary, ...additional.map((each) => ({ ...each, runtimeData: bound(undefined) }))];
}
