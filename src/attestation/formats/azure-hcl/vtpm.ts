/**
 * The two links from hardware to guest: the hardware report covers the paravisor's variable data with the vTPM's
 * attestation key, and that key signs PCRs and nonce.
 */
import { createHash, verify } from "node:crypto";
import { equalBytes, fromHex, isZero, resize, toHex } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import type { Trail } from "../../trail.ts";
import type { Check, Expected } from "../../verifier.ts";
import { EvidenceRejected } from "../../verifier.ts";
import type { BankName } from "../tpm2/algorithms.ts";
import { keyFingerprint, keyText } from "../tpm2/keys.ts";
import type { PcrValues } from "../tpm2/pcrs.ts";
import {
  checkAttest,
  checkInitData,
  checkNonce,
  checkPcrDigest,
  checkWholeSelection,
  INIT_DATA_PCR,
  type QuoteAttest,
} from "../tpm2/quote-checks.ts";
import { bankClaims, clockClaims, firmwareClaim } from "../tpm2/quote-claims.ts";
import type { AzureCheck } from "./checks.ts";
import { AzureEvidenceError, type VtpmQuote } from "./evidence.ts";
import { type HardwareKind, type HclReport, HclReportError, readHclReport } from "./hcl-report.ts";
import { readVariableData, type VariableData, VariableDataError } from "./variable-data.ts";

/** What these steps need of a trail, whatever else it lists. */
export type AzureTrail = Pick<Trail<AzureCheck>, "failed" | "passed" | "notChecked" | "require" | "repeat">;

const DIGEST_BYTES = 32;
const USER_DATA_BYTES = 64;

/** @throws EvidenceRejected `malformed` | `evidence-version` */
export function parseAzureEvidence<Evidence extends { readonly version: number }>(
  trail: AzureTrail,
  read: () => Evidence,
  minimumVersion: number,
): Evidence {
  const evidence = orRefuse(trail, "malformed", AzureEvidenceError, read);
  trail.passed("malformed", `version ${evidence.version}`);
  const { version } = evidence;
  trail.require("evidence-version", version >= minimumVersion, `version ${version}`);
  return evidence;
}

/** @throws EvidenceRejected `hcl-malformed` */
export function parseHclReport(trail: AzureTrail, bytes: Buffer, kind: HardwareKind): HclReport {
  const report = orRefuse(trail, "hcl-malformed", HclReportError, () => readHclReport(bytes, kind));
  trail.passed(
    "hcl-malformed",
    `header version ${report.version}, ${report.variableData.length} bytes of variable data`,
  );
  return report;
}

/**
 * Runs checks of a hardware report that have a trail of their own, and tells them in this trail with the kind in front
 * of their names; whichever fails, the report as a whole does.
 *
 * @throws EvidenceRejected `hw-report`
 */
export async function asHardwareReport<T>(
  trail: AzureTrail,
  kind: HardwareKind,
  inner: { readonly checks: readonly Check[] },
  verify: () => Promise<T>,
): Promise<T> {
  const before = inner.checks.length;
  const tell = () =>
    trail.repeat(inner.checks.slice(before).map((check) => ({ ...check, check: `${kind}-${check.check}` })));
  try {
    const result = await verify();
    tell();
    return result;
  } catch (error) {
    if (!(error instanceof EvidenceRejected)) throw error;
    tell();
    const seen = inner.checks.at(-1)?.seen ?? "nothing";
    throw trail.failed("hw-report", `${kind}-${error.check}: ${seen}`, undefined, error);
  }
}

/**
 * The hash is over the bytes as they stand, and fills the first half of the report data only.
 *
 * @param reportData - 64 bytes of the hardware report
 * @throws EvidenceRejected `var-data-binding`
 */
export function checkBinding(trail: AzureTrail, { variableData }: HclReport, reportData: Buffer): void {
  const digest = createHash("sha256").update(variableData).digest();
  const bound = equalBytes(reportData.subarray(0, DIGEST_BYTES), digest);
  const empty = isZero(reportData.subarray(DIGEST_BYTES));
  const seen = bound && !empty ? "report data whose second half is not zero" : toHex(reportData);
  trail.require("var-data-binding", bound && empty, seen);
}

/** A quote of the vTPM that hardware and paravisor vouch for. */
export interface VerifiedVtpm {
  readonly attest: QuoteAttest;
  readonly values: PcrValues;
  readonly variableData: VariableData;
}

interface VtpmEvidence {
  readonly version: number;
  readonly quote: VtpmQuote;
}

/**
 * Everything after the hardware report: key, signature, registers, nonce, user data, init-data.
 *
 * @throws EvidenceRejected
 */
export function verifyVtpm(
  trail: AzureTrail,
  { version, quote }: VtpmEvidence,
  { variableData: bytes }: HclReport,
  { runtimeDataDigest, initDataDigest }: Expected,
): VerifiedVtpm {
  const variableData = orRefuse(trail, "ak", VariableDataError, () => readVariableData(bytes));
  const { attestationKey } = variableData;
  trail.passed("ak", `${keyText(attestationKey)}, SHA-256 ${keyFingerprint(attestationKey)}`);
  const attest = checkAttest(trail, quote.message);
  const genuine = verify("sha256", quote.message, attestationKey, quote.signature);
  trail.require("tpm-signature", genuine, genuine ? "valid" : "an invalid signature");
  checkWholeSelection(trail, attest.quote, quote.pcrs.length);
  const values: PcrValues = new Map<BankName, ReadonlyMap<number, Buffer>>([
    ["sha256", new Map(quote.pcrs.entries())],
  ]);
  checkPcrDigest(trail, attest.quote, values, "sha256");
  checkNonce(trail, attest, runtimeDataDigest && [runtimeDataDigest]);
  checkInitData(trail, values, initDataDigest);
  checkUserData(trail, version, variableData, runtimeDataDigest);
  return { attest, values, variableData };
}

function checkUserData(
  trail: AzureTrail,
  version: number,
  { userData }: VariableData,
  digest: Uint8Array | undefined,
): void {
  if (version < 2 || digest === undefined) {
    trail.notChecked(
      "user-data",
      version < 2 ? `version ${version} carries none` : "the caller expects nothing",
    );
    return;
  }
  const seen =
    typeof userData === "string" && userData.length <= USER_DATA_BYTES * 2 ? fromHex(userData) : undefined;
  const wanted = resize(digest, USER_DATA_BYTES);
  const fits = digest.byteLength <= USER_DATA_BYTES;
  const equal = fits && seen !== undefined && equalBytes(seen, wanted);
  trail.require(
    "user-data",
    equal,
    seen === undefined ? "none that can be read" : toHex(seen) || "none",
    toHex(wanted),
  );
}

/** Claims of both kinds of VM, to be laid over those of the hardware report. */
export function vtpmClaims(
  evidence: VtpmEvidence,
  hcl: HclReport,
  { attest, values, variableData }: VerifiedVtpm,
): JsonObject {
  const registers = values.get("sha256");
  const initData = registers?.get(INIT_DATA_PCR);
  return {
    report_data: toHex(attest.extraData),
    ...(initData === undefined ? {} : { init_data: toHex(initData) }),
    tpm: bankClaims(registers),
    tpm_clock: clockClaims(attest.clockInfo),
    tpm_firmware_version: firmwareClaim(attest),
    qualified_signer: toHex(attest.qualifiedSigner),
    ak_sha256: keyFingerprint(variableData.attestationKey),
    evidence_version: evidence.version,
    hcl_version: hcl.version,
    ...(variableData.vmConfiguration === undefined ? {} : { vm_configuration: variableData.vmConfiguration }),
    ...(typeof variableData.userData === "string" ? { user_data: variableData.userData.toLowerCase() } : {}),
  };
}

function orRefuse<T>(
  trail: AzureTrail,
  check: AzureCheck,
  kind: new (what: string) => Error,
  read: () => T,
): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    throw trail.failed(check, error.message, undefined, error);
  }
}
