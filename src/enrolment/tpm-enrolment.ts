/**
 * How a machine with a bare TPM becomes known (TPM 2.0 Library Part 1, §24): it names its endorsement key and its
 * attestation key, gets a secret that only a TPM holding both can read, and proves that it read it.
 */
import { createHmac } from "node:crypto";
import { credentialFile, makeCredential } from "../attestation/formats/tpm2/credential.ts";
import { equalBytes } from "../crypto/bytes.ts";
import { KbsError } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import type { Approve } from "./approval.ts";
import { Challenges } from "./challenges.ts";
import { type EndorsementRules, type JudgedEndorsement, judgeEndorsement } from "./endorsement.ts";
import { type EnrolmentRequest, readEnrolmentRequest, readProof, refused } from "./enrolment-request.ts";
import type { Enrolments, KnownAk } from "./enrolments.ts";

/** Where enrolments are written down before they count. */
export interface EnrolmentAudit {
  /** @throws KbsError `audit-unavailable` */
  record(event: JsonObject & { readonly event: string }): Promise<void>;
}

export interface TpmEnrolmentDependencies {
  readonly enrolments: Enrolments;
  readonly rules: EndorsementRules;
  readonly approve: Approve;
  readonly audit: EnrolmentAudit;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** @returns that many unpredictable bytes */
  readonly random: (bytes: number) => Buffer;
  readonly challengeSeconds: number;
}

type Candidate = EnrolmentRequest & JudgedEndorsement;
type Context = { readonly requestId: string; readonly client: string };

const SECRET_BYTES = 32;
const ID_BYTES = 16;

export class TpmEnrolment {
  readonly #parts: TpmEnrolmentDependencies;
  readonly #challenges: Challenges<Candidate>;

  constructor(parts: TpmEnrolmentDependencies) {
    this.#parts = parts;
    this.#challenges = new Challenges(parts.now);
  }

  /**
   * `POST …/tpm/enroll`: who are you → a credential for whoever holds both keys.
   *
   * @param client - address that asks
   * @throws KbsError `malformed-request` | `enrolment-refused` | `conflict` | `overloaded`
   */
  begin(body: Uint8Array, client = ""): JsonObject {
    const { enrolments, rules, now, random, challengeSeconds } = this.#parts;
    const request = readEnrolmentRequest(body);
    const candidate = { ...request, ...judgeEndorsement(request, rules, now()) };
    enrolments.checkBinding({ ...candidate, akName: candidate.akName.toString("hex") });
    const secret = random(SECRET_BYTES);
    const { endorsementKey, akName } = candidate;
    const credential = makeCredential({ endorsementKey, objectName: akName, secret, random });
    const enrolment = random(ID_BYTES).toString("hex");
    const expiresAt = now() + challengeSeconds * 1000;
    this.#challenges.add(enrolment, { about: candidate, client, secret, expiresAt });
    return {
      enrolment,
      credential_blob: credential.credentialBlob.toString("base64"),
      encrypted_secret: credential.encryptedSecret.toString("base64"),
      credential_file: credentialFile(credential).toString("base64"),
      ak_name: akName.toString("hex"),
      expires_at: new Date(expiresAt).toISOString(),
    };
  }

  /**
   * `POST …/tpm/enroll/<id>`: the proof → the key is enrolled, approved or waiting.
   *
   * @throws KbsError `malformed-request` | `enrolment-refused` | `conflict` | `audit-unavailable` |
   *   `storage-unavailable`
   */
  async complete(id: string, body: Uint8Array, context: Context, signal: AbortSignal): Promise<JsonObject> {
    const proof = readProof(body);
    const challenge = this.#challenges.take(id);
    if (challenge === undefined)
      throw new KbsError("not-found", "There is no such enrolment under way; begin again.");
    const { about, secret } = challenge;
    const right = equalBytes(proof, enrolmentProof(secret, id, about.akName));
    secret.fill(0);
    if (!right) throw await this.#failed(about, context);
    return answer(await this.#enrol(about, context, signal));
  }

  async #enrol(candidate: Candidate, context: Context, signal: AbortSignal): Promise<KnownAk> {
    const { enrolments, approve, audit } = this.#parts;
    const { host, ekTrust, ekFingerprint, akFingerprint, manufacturer, model, firmwareVersion } = candidate;
    const akName = candidate.akName.toString("hex");
    const { status, by } = await approve(policyInput(candidate, akName), signal);
    // A key that is known already keeps what was decided about it; that is only what is recorded, never what is enrolled.
    const held = enrolments.get(akFingerprint) ?? { status, decidedBy: by };
    const outcome = { outcome: "enrolled", status: held.status, decidedBy: held.decidedBy };
    await audit.record({ ...event(candidate, context), ...outcome });
    const enrolment = {
      status,
      host,
      ekTrust,
      ekFingerprint,
      akFingerprint,
      akName,
      akSpki: candidate.akSpki.toString("base64"),
      decidedBy: by,
      ...(manufacturer === undefined ? {} : { manufacturer }),
      ...(model === undefined ? {} : { model }),
      ...(firmwareVersion === undefined ? {} : { firmwareVersion }),
    };
    try {
      return await enrolments.enrol(enrolment, signal);
    } catch (error) {
      // Recorded before it held, so it is recorded again that it does not.
      const reason = error instanceof KbsError ? error.code : "internal";
      await audit.record({ ...event(candidate, context), outcome: "refused", reason });
      throw error;
    }
  }

  async #failed(candidate: Candidate, context: Context): Promise<KbsError> {
    await this.#parts.audit.record({ ...event(candidate, context), outcome: "refused", reason: "proof" });
    return refused(
      "the proof is wrong: the attestation key does not live in the TPM of this endorsement key",
    );
  }
}

/**
 * What a machine sends to show that its TPM gave the secret back.
 *
 * @param secret - 32 bytes
 * @param enrolment - id of the challenge
 * @param akName - the attestation key's Name, algorithm included
 * @returns HMAC-SHA256, 32 bytes
 */
export function enrolmentProof(secret: Uint8Array, enrolment: string, akName: Uint8Array): Buffer {
  return createHmac("sha256", secret).update(enrolment, "ascii").update(akName).digest();
}

function policyInput(candidate: Candidate, akName: string): JsonObject {
  const { host, ekFingerprint, ekTrust, akFingerprint, manufacturer, model, firmwareVersion } = candidate;
  return {
    host,
    ek: {
      fingerprint: ekFingerprint,
      trust: ekTrust,
      manufacturer: manufacturer ?? null,
      model: model ?? null,
      firmware_version: firmwareVersion ?? null,
    },
    ak: { fingerprint: akFingerprint, name: akName },
  };
}

function event({ host, ekFingerprint, akFingerprint, ekTrust }: Candidate, context: Context) {
  const { requestId, client } = context;
  return { event: "tpm-enrolment", requestId, client, host, ekFingerprint, akFingerprint, ekTrust };
}

function answer({ status, host, akName, akFingerprint }: KnownAk): JsonObject {
  return { status, host, ak_name: akName, ak_fingerprint: akFingerprint };
}
