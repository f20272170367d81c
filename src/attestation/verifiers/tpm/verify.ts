import { LRUCache } from "lru-cache";
import { resize } from "../../../crypto/bytes.ts";
import type { JsonValue } from "../../../json/value.ts";
import type { EnrolledAk } from "../../formats/tpm2/ak-registry.ts";
import { type BankName, HASH_NAMES } from "../../formats/tpm2/algorithms.ts";
import type { ClockInfo } from "../../formats/tpm2/attest.ts";
import { judgeClock } from "../../formats/tpm2/clock.ts";
import { Tpm2FormatError } from "../../formats/tpm2/cursor.ts";
import { type PcrValues, valuesFault } from "../../formats/tpm2/pcrs.ts";
import { isOwnScheme } from "../../formats/tpm2/public-area.ts";
import {
  checkAttest,
  checkInitData,
  checkNonce,
  checkPcrDigest,
  checkWholeSelection,
  INIT_DATA_PCR,
  type QuoteAttest,
} from "../../formats/tpm2/quote-checks.ts";
import {
  readSignature,
  schemeFits,
  type TpmSignature,
  verifySignature,
} from "../../formats/tpm2/signature.ts";
import { Trail } from "../../trail.ts";
import type { Check, Expected, Verification, Verifier } from "../../verifier.ts";
import { type AttestationKey, readAttestationKey } from "./attestation-key.ts";
import { TPM_CHECKS, type TpmCheck } from "./checks.ts";
import { tpmClaims } from "./claims.ts";
import { readTpmEvidence, type TpmEvidence, TpmEvidenceError } from "./evidence.ts";
import { checkMeasuredBoot } from "./measured-boot.ts";
import type { TpmSettings } from "./settings.ts";
import { judgeTrust, type TpmTrust } from "./trust.ts";

type TpmTrail = Trail<TpmCheck>;

/** Keys kept: machines attest again and again, and reading a key costs as much as a signature. */
const MAX_KEYS = 4096;
/** Guests cut or pad what they are given to this length before they hand it to the TPM. */
const NONCE_BYTES = 32;
/** Quotes by one key that may overtake this one before it is refused. */
const CLOCK_ATTEMPTS = 4;

interface KeptKey {
  readonly key: AttestationKey;
  /** The checks that it passed, to be told again. */
  readonly checks: readonly Check[];
}

/** Appraises evidence of a TPM 2.0. Everything it uses of the world is handed in. */
export class TpmVerifier implements Verifier {
  readonly tee = "tpm";
  readonly #settings: TpmSettings;
  readonly #trust: TpmTrust;
  readonly #now: () => number;
  readonly #keys = new LRUCache<string, KeptKey>({ max: MAX_KEYS });

  constructor(settings: TpmSettings, trust: TpmTrust, now: () => number) {
    this.#settings = settings;
    this.#trust = trust;
    this.#now = now;
  }

  async verify(json: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification> {
    const trail: TpmTrail = new Trail("tpm", TPM_CHECKS);
    const evidence = parseEvidence(trail, json, this.#settings);
    const key = this.#readKey(trail, evidence);
    const signature = checkAlgorithm(trail, evidence, key, this.#settings);
    const attest = checkAttest(trail, evidence.message);
    const genuine = verifySignature(key.key, evidence.message, signature);
    trail.require("tpm-signature", genuine, genuine ? "valid" : "an invalid signature");
    const values = checkSelection(trail, attest, evidence);
    checkPcrDigest(trail, attest.quote, values, signature.hash);
    checkNonce(trail, attest, acceptedNonces(evidence, expected.runtimeDataDigest));
    checkInitData(trail, values, expected.initDataDigest);
    checkRequiredPcrs(trail, values, this.#settings);
    const [settings, trusted, now] = [this.#settings, this.#trust, this.#now()];
    const trust = await judgeTrust({ trail, evidence, key, trust: trusted, settings, now }, signal);
    const { logs, imaPolicy } = trusted;
    const explained = expected.initDataDigest === undefined ? [] : [INIT_DATA_PCR];
    const judge = { trail, evidence, values, settings, logs, imaPolicy, explained };
    const boot = await checkMeasuredBoot(judge, signal);
    const rebooted = await this.#checkClock(trail, trust.enrolment, attest.clockInfo, signal);
    const claims = tpmClaims({ attest, signature, key, values, trust, rebooted, boot });
    return { checks: trail.checks, results: [{ teeClass: "cpu", claims }] };
  }

  #readKey(trail: TpmTrail, { akPublic, akPublicArea }: TpmEvidence): AttestationKey {
    // With both lengths in front no other two parts give this text; an absent part is not an empty one.
    const parts = [akPublic?.length, akPublicArea?.length, akPublic?.toString("latin1")];
    const id = `${parts.join()},${akPublicArea?.toString("latin1")}`;
    const kept = this.#keys.get(id);
    if (kept !== undefined) {
      trail.repeat(kept.checks);
      return kept.key;
    }
    const before = trail.checks.length;
    const key = readAttestationKey(trail, { akPublic, akPublicArea });
    this.#keys.set(id, { key, checks: trail.checks.slice(before) });
    return key;
  }

  /**
   * Last, for it writes: a quote that failed anywhere else must not move the clock.
   *
   * @returns whether the TPM was reset since the last quote
   */
  async #checkClock(
    trail: TpmTrail,
    enrolment: EnrolledAk | undefined,
    clock: ClockInfo,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const { enrolled } = this.#trust;
    let known = enrolment;
    for (let attempt = 0; known !== undefined && attempt < CLOCK_ATTEMPTS; attempt++) {
      const { akFingerprint, lastClock } = known;
      const judged = lastClock === undefined ? undefined : judgeClock(lastClock, clock);
      if (judged?.fault !== undefined) throw trail.failed("clock", judged.fault);
      if (await enrolled.recordClock(akFingerprint, lastClock, clock, signal)) {
        trail.passed("clock", clockText(judged?.rebooted));
        return judged?.rebooted;
      }
      known = await enrolled.find(akFingerprint, signal);
      if (known?.status !== "approved") throw trail.failed("clock", "an enrolment that was just withdrawn");
    }
    if (known !== undefined)
      throw trail.failed("clock", "other quotes by this key arrive faster than they can be compared");
    trail.notChecked("clock", "no earlier quote by this key is known");
    return undefined;
  }
}

function clockText(rebooted: boolean | undefined): string {
  if (rebooted === undefined) return "the first quote of an enrolled key";
  return rebooted === true ? "the TPM was reset since the last quote" : "later than the last quote";
}

function parseEvidence(trail: TpmTrail, json: JsonValue, limits: TpmSettings): TpmEvidence {
  try {
    const evidence = readTpmEvidence(json, limits);
    trail.passed("malformed", `a quote of ${evidence.message.length} bytes`, "evidence that can be read");
    return evidence;
  } catch (error) {
    if (!(error instanceof TpmEvidenceError)) throw error;
    throw trail.failed("malformed", `malformed evidence: ${error.message}`);
  }
}

/** The key's kind, its own scheme where it is known, and the settings: a signature that fits all three. */
function checkAlgorithm(
  trail: TpmTrail,
  evidence: TpmEvidence,
  { key, publicArea }: AttestationKey,
  { allowedSignatureHashes }: TpmSettings,
): TpmSignature {
  const signature = parseSignature(trail, evidence);
  const text = `${signature.scheme} with ${signature.hash}`;
  const fits = schemeFits(key, signature.scheme);
  if (!fits) throw trail.failed("signature-algorithm", `${text} for a key of another kind`);
  if (publicArea !== undefined && !isOwnScheme(publicArea, signature))
    throw trail.failed("signature-algorithm", `${text}, which is not the scheme of this key`);
  trail.require("signature-algorithm", allowedSignatureHashes.includes(signature.hash), text);
  return signature;
}

function parseSignature(trail: TpmTrail, { signature }: TpmEvidence): TpmSignature {
  try {
    return readSignature(signature);
  } catch (error) {
    if (!(error instanceof Tpm2FormatError)) throw error;
    throw trail.failed("signature-algorithm", `malformed TPMT_SIGNATURE: ${error.message}`);
  }
}

/** Register numbers come from the signed selection alone. */
function checkSelection(trail: TpmTrail, { quote }: QuoteAttest, { pcrs }: TpmEvidence): PcrValues {
  if (pcrs.form === "list") {
    checkWholeSelection(trail, quote, pcrs.values.length);
    return new Map<BankName, ReadonlyMap<number, Buffer>>([["sha256", new Map(pcrs.values.entries())]]);
  }
  const fault = valuesFault(quote.selections, pcrs.values);
  const count = [...pcrs.values.values()].reduce((sum, bank) => sum + bank.size, 0);
  trail.require("pcr-selection", fault === undefined, fault ?? `${count} values, each of them selected`);
  return pcrs.values;
}

/**
 * A bare list comes from guests that resize what they are given. Others may quote it whole, which is stricter.
 *
 * @returns undefined when the caller expects nothing
 */
function acceptedNonces({ pcrs }: TpmEvidence, digest: Uint8Array | undefined): Uint8Array[] | undefined {
  if (digest === undefined) return undefined;
  const resized = digest.byteLength === 0 ? digest : resize(digest, NONCE_BYTES);
  return pcrs.form === "list" || digest.byteLength === NONCE_BYTES ? [resized] : [resized, digest];
}

function checkRequiredPcrs(trail: TpmTrail, values: PcrValues, { requiredPcrs }: TpmSettings): void {
  const missing: string[] = [];
  for (const bank of HASH_NAMES)
    for (const pcr of requiredPcrs[bank] ?? [])
      if (!values.get(bank)?.has(pcr)) missing.push(`PCR ${pcr} of bank ${bank}`);
  if (missing.length > 0) throw trail.failed("required-pcrs", `a quote without ${missing.join(", ")}`);
  trail.passed("required-pcrs", "none missing");
}
