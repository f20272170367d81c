import { createHash } from "node:crypto";
import { parse as parseToml } from "smol-toml";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { canonicalJson, writeJson } from "../../json/write.ts";

/** Protocol generations that guests in the field speak; they differ on the wire as the table below says. */
export const GENERATIONS = ["0.1.0", "0.1.1", "0.2.0", "0.4.0"] as const;
export type Generation = (typeof GENERATIONS)[number];

interface Traits {
  /** What the guest offers in `Request.extra-params`. */
  readonly extraParams: JsonValue;
  /** `runtime-data` and composite `tee-evidence`, with init-data and devices. */
  readonly composite: boolean;
  /** `tee-evidence` is a string that holds JSON text. */
  readonly evidenceAsText: boolean;
  /** The answer is the older quasi-JWE, for an RSA1_5 key. */
  readonly legacyAnswer: boolean;
}

const HASHES = ["sha256", "sha384", "sha512"];

export const TRAITS: Readonly<Record<Generation, Traits>> = {
  "0.1.0": { extraParams: "", composite: false, evidenceAsText: true, legacyAnswer: true },
  "0.1.1": { extraParams: offer(HASHES), composite: false, evidenceAsText: false, legacyAnswer: true },
  "0.2.0": { extraParams: offer(HASHES), composite: false, evidenceAsText: false, legacyAnswer: false },
  "0.4.0": {
    extraParams: offer([...HASHES, "sm3"]),
    composite: true,
    evidenceAsText: false,
    legacyAnswer: false,
  },
};

function offer(hashes: readonly string[]): JsonValue {
  return { "supported-hash-algorithms": hashes };
}

/** A document that the host may read but not change: its digest is in the evidence. */
export interface InitData {
  readonly format: "toml";
  /** The exact text; its digest is over these bytes. */
  readonly body: string;
}

/** @throws RangeError when the document does not name a digest algorithm that the protocol has */
export function initDataDigest(initData: InitData): Buffer {
  const { algorithm } = parseToml(initData.body);
  if (typeof algorithm !== "string" || !/^(sha256|sha384|sha512|sm3)$/.test(algorithm))
    throw new RangeError("init-data must say `algorithm` = sha256, sha384, sha512 or sm3");
  return createHash(algorithm).update(initData.body).digest();
}

/**
 * Digest that ties evidence to this handshake and this key.
 *
 * @param additionalEvidence - the exact string that travels; `undefined` leaves the member out, as devices and
 *   the generations before 0.4.0 do
 */
export function runtimeDataDigest(
  algorithm: string,
  nonce: string,
  teeKey: JsonObject,
  additionalEvidence: string | undefined,
): Buffer {
  const data = {
    nonce,
    "tee-pubkey": teeKey,
    ...(additionalEvidence === undefined ? {} : { "additional-evidence": additionalEvidence }),
  };
  return createHash(algorithm).update(canonicalJson(data)).digest();
}

export interface AttestationParts {
  readonly nonce: string;
  readonly teeKey: JsonObject;
  readonly evidence: JsonValue;
  readonly additionalEvidence: string;
  readonly initData: InitData | undefined;
}

/** @returns the body of `/attest` in the layout of `generation` */
export function printAttestation(generation: Generation, parts: AttestationParts): string {
  const traits = TRAITS[generation];
  if (!traits.composite)
    return writeJson({
      "tee-pubkey": parts.teeKey,
      "tee-evidence": traits.evidenceAsText ? writeJson(parts.evidence) : parts.evidence,
    });
  return writeJson({
    "init-data": parts.initData === undefined ? null : { ...parts.initData },
    "runtime-data": { nonce: parts.nonce, "tee-pubkey": parts.teeKey },
    "tee-evidence": {
      primary_evidence: parts.evidence,
      additional_evidence: parts.additionalEvidence,
    },
  });
}
