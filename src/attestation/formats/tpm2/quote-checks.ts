/** Checks on a quote that are the same wherever the quote comes from: a TPM of its own, or one inside other evidence. */
import { equalBytes, toHex } from "../../../crypto/bytes.ts";
import type { CheckDescription, Trail } from "../../trail.ts";
import type { HashName } from "./algorithms.ts";
import { ATTEST_QUOTE, type Attest, type Quote, readAttest, TPM_GENERATED } from "./attest.ts";
import { Tpm2FormatError } from "./cursor.ts";
import { extendedOnce, matchesDigest, type PcrValues, selectionText } from "./pcrs.ts";

const LIBRARY = "TCG TPM 2.0 Library 1.59";

export const QUOTE_CHECKS = {
  "tpm-attest": {
    expected: "a complete TPMS_ATTEST of a quote, made by the TPM (magic 0xff544347, type 0x8018)",
    source: `${LIBRARY} Part 2 §10.12.8`,
  },
  "tpm-signature": {
    expected: "the quote signed by the attestation key",
    source: `${LIBRARY} Part 2 §11.3.4; Part 3, TPM2_Quote`,
  },
  "pcr-selection": {
    expected: "a value for every PCR that the quote covers, and for no other",
    source: `${LIBRARY} Part 2 §10.9.7`,
  },
  "pcr-digest": {
    expected: "the digest over the values, in the order of the selection, equal to the signed one",
    source: `${LIBRARY} Part 3, TPM2_Quote`,
  },
  nonce: {
    expected: "the quote's extraData equal to the expected binding",
    source: `${LIBRARY} Part 2 §10.12.8; KBS protocol`,
  },
  "init-data": {
    expected: "PCR 8 of the SHA-256 bank extended once, with the init-data digest",
    source: "KBS protocol; Confidential Containers TPM attesters",
  },
} as const satisfies Readonly<Record<string, CheckDescription>>;
export type QuoteCheck = keyof typeof QUOTE_CHECKS;

/** What these checks need of a trail, whatever else it lists. */
export type QuoteTrail = Pick<Trail<QuoteCheck>, "failed" | "passed" | "notChecked" | "require">;

export interface QuoteAttest extends Attest {
  readonly quote: Quote;
}

/** Register in which guests record their init-data. */
export const INIT_DATA_PCR = 8;
const INIT_DATA_BYTES = 32;
const ALL_PCRS = 24;

/**
 * A restricted key signs nothing from outside that begins with the magic, so what has it was made by the TPM.
 *
 * @throws EvidenceRejected `tpm-attest`
 */
export function checkAttest(trail: QuoteTrail, message: Buffer): QuoteAttest {
  const attest = parse(trail, message);
  const { magic, type, quote } = attest;
  if (magic !== TPM_GENERATED) throw trail.failed("tpm-attest", `magic 0x${magic.toString(16)}`);
  if (type !== ATTEST_QUOTE || quote === undefined)
    throw trail.failed("tpm-attest", `type 0x${type.toString(16)}, which is no quote`);
  trail.passed("tpm-attest", `a quote over ${selectionText(quote.selections)}`);
  return { ...attest, quote };
}

function parse(trail: QuoteTrail, message: Buffer): Attest {
  try {
    return readAttest(message);
  } catch (error) {
    if (!(error instanceof Tpm2FormatError)) throw error;
    throw trail.failed("tpm-attest", `malformed TPMS_ATTEST: ${error.message}`);
  }
}

/**
 * The form in which guests send a bare list of values, PCR 0 first: nothing but all 24 registers of one bank will do,
 * for with any other selection the place in the list says nothing about the register.
 *
 * @throws EvidenceRejected `pcr-selection`
 */
export function checkWholeSelection(trail: QuoteTrail, { selections }: Quote, count: number): void {
  const [only] = selections;
  const whole =
    selections.length === 1 &&
    only?.bank === "sha256" &&
    only.pcrs.length === ALL_PCRS &&
    only.pcrs.every((pcr, i) => pcr === i) &&
    count === ALL_PCRS;
  const seen = `${selectionText(selections)} signed, ${count} values`;
  trail.require("pcr-selection", whole, seen, "sha256:0-23 signed, 24 values");
}

/** @throws EvidenceRejected `pcr-digest` */
export function checkPcrDigest(trail: QuoteTrail, quote: Quote, values: PcrValues, hash: HashName): void {
  const equal = matchesDigest(quote, values, hash);
  trail.require("pcr-digest", equal, equal ? toHex(quote.pcrDigest) : "values with another digest");
}

/**
 * @param accepted - what extraData may be; none: the caller expects nothing, which only happens offline
 * @throws EvidenceRejected `nonce`
 */
export function checkNonce(
  trail: QuoteTrail,
  { extraData }: Attest,
  accepted: readonly Uint8Array[] | undefined,
): void {
  if (accepted === undefined) {
    trail.notChecked("nonce", "the caller expects nothing");
    return;
  }
  // An empty nonce binds nothing, so it is never what a quote has to carry.
  const holds = accepted.some((bytes) => bytes.byteLength > 0 && equalBytes(bytes, extraData));
  const expected = accepted.map((bytes) => toHex(bytes) || "a nonce that is not empty").join(" or ");
  trail.require("nonce", holds, toHex(extraData) || "no nonce", expected);
}

/**
 * The agent extends PCR 8 once, when it starts, with the SHA-256 digest of the init-data.
 *
 * @throws EvidenceRejected `init-data`
 */
export function checkInitData(trail: QuoteTrail, values: PcrValues, digest: Uint8Array | undefined): void {
  if (digest === undefined) {
    trail.notChecked("init-data", "no init-data was sent");
    return;
  }
  if (digest.byteLength !== INIT_DATA_BYTES)
    throw trail.failed(
      "init-data",
      `a digest of ${digest.byteLength} bytes; a TPM needs init-data with algorithm sha256`,
    );
  const seen = values.get("sha256")?.get(INIT_DATA_PCR);
  if (seen === undefined)
    throw trail.failed("init-data", "a quote that leaves out PCR 8 of the SHA-256 bank");
  const wanted = extendedOnce("sha256", digest);
  const equal = equalBytes(seen, wanted);
  const hint = equal
    ? ""
    : "; a boot loader that measures into PCR 8, as GRUB does, cannot be used with init-data";
  trail.require("init-data", equal, `PCR 8 ${toHex(seen)}${hint}`, `PCR 8 ${toHex(wanted)}`);
}
