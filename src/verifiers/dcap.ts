import { offlineIntelCollateral } from "../attestation/endorsements/intel-files.ts";
import { mergeIntelMaterial, readIntelMaterial } from "../attestation/endorsements/intel-material.ts";
import type { DcapCollateralSource } from "../attestation/formats/dcap/collateral.ts";
import { isBareQuote } from "../attestation/formats/dcap/quote.ts";
import {
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../attestation/formats/dcap/trust-anchors.ts";
import type { Verification } from "../attestation/verifier.ts";
import { sgxSection } from "../attestation/verifiers/sgx/settings.ts";
import { SgxVerifier } from "../attestation/verifiers/sgx/verify.ts";
import { tdxSection } from "../attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../attestation/verifiers/tdx/verify.ts";
import type { JsonValue } from "../json/value.ts";
import { expectedOf, parseSettings } from "./options.ts";

/** What stands behind quotes of Intel's platforms. */
export interface IntelOptions {
  /** The time to judge certificates and collateral at. */
  readonly at: Date;
  /** PEM texts of roots that replace Intel's. */
  readonly trustAnchorsPem?: readonly string[];
  /** Files of collateral: a bundle, one platform's collateral as JSON, answers of Intel's service. */
  readonly collateral?: readonly Uint8Array[];
}

export interface VerifyDcapOptions extends IntelOptions {
  /** What REPORTDATA must hold, at most 64 bytes; zeros follow. Absent: the binding is not checked. */
  readonly reportData?: Uint8Array;
  /** What the configuration id must hold: a digest, cut or padded to its size. Absent: not compared. */
  readonly initDataDigest?: Uint8Array;
  /** Members of `verifiers.tdx` or `verifiers.sgx` of the configuration; absent ones have its defaults. */
  readonly settings?: unknown;
}

/**
 * Verifies TDX evidence as the broker does.
 *
 * @param evidence - JSON text or bytes of Confidential Containers evidence, the value `readJson` gave, or, as bytes,
 *   the quote alone
 * @throws EvidenceRejected with the failed check; KbsError `malformed-request` for settings that are no settings;
 *   DerError when a trust anchor is no certificate
 */
export async function verifyTdx(
  evidence: JsonValue | string | Uint8Array,
  options: VerifyDcapOptions,
): Promise<Verification> {
  const settings = parseSettings(tdxSection, options.settings);
  const verifier = new TdxVerifier(settings, intelCollateral(options), () => options.at.getTime());
  return await verifyQuote(verifier, evidence, options);
}

/** Verifies SGX evidence as the broker does; see `verifyTdx`. */
export async function verifySgx(
  evidence: JsonValue | string | Uint8Array,
  options: VerifyDcapOptions,
): Promise<Verification> {
  const settings = parseSettings(sgxSection, options.settings);
  const verifier = new SgxVerifier(settings, intelCollateral(options), () => options.at.getTime());
  return await verifyQuote(verifier, evidence, options);
}

async function verifyQuote(
  verifier: TdxVerifier | SgxVerifier,
  evidence: JsonValue | string | Uint8Array,
  options: VerifyDcapOptions,
): Promise<Verification> {
  const expected = expectedOf(options);
  const signal = new AbortController().signal;
  if (evidence instanceof Uint8Array && isBareQuote(evidence))
    return await verifier.verifyBinary(evidence, expected, signal);
  if (typeof evidence === "string" || evidence instanceof Uint8Array)
    return await verifier.verifyText(evidence, expected, signal);
  return await verifier.verify(evidence, expected, signal);
}

/** @throws DerError when a trust anchor is no certificate */
export function intelCollateral({ at, trustAnchorsPem, collateral }: IntelOptions): DcapCollateralSource {
  const anchors =
    trustAnchorsPem === undefined ? pinnedDcapTrustAnchors() : dcapTrustAnchorsFromPem(trustAnchorsPem);
  const material = (collateral ?? []).map((bytes, i) =>
    readIntelMaterial(Buffer.from(bytes), `collateral ${i}`),
  );
  return offlineIntelCollateral(anchors, mergeIntelMaterial(material), () => at.getTime());
}
