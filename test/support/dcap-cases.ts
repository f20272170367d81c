/** Quotes of others with verdicts of others: how a case becomes a verification, and what is compared. */
import { readFileSync } from "node:fs";
import { expect } from "@jest/globals";
import { collateralFromJson } from "../../src/attestation/formats/dcap/collateral-json.ts";
import { fixedCollateral } from "../../src/attestation/formats/dcap/fixed-collateral.ts";
import { TCB_STATUSES } from "../../src/attestation/formats/dcap/tcb-status.ts";
import {
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../../src/attestation/formats/dcap/trust-anchors.ts";
import { EvidenceRejected, type Verification } from "../../src/attestation/verifier.ts";
import { sgxSection } from "../../src/attestation/verifiers/sgx/settings.ts";
import { SgxVerifier } from "../../src/attestation/verifiers/sgx/verify.ts";
import { tdxSection } from "../../src/attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../../src/attestation/verifiers/tdx/verify.ts";
import { readJson } from "../../src/json/read.ts";
import { sharedPath } from "./shared.ts";

export interface DcapCase {
  readonly id: string;
  readonly quote: string;
  readonly evidence?: string;
  readonly collateral?: string | null;
  readonly root: string;
  readonly verify_at: string;
  readonly expect: "accept" | "reject";
  /** Another verdict that is as good. */
  readonly lenient_expect?: "accept" | "reject";
  readonly lenient_status?: string;
  readonly fails?: readonly string[];
  readonly tcb_status?: string;
  readonly tcb_date?: string;
  readonly advisory_ids?: readonly string[];
  readonly platform_status?: string;
  readonly module_status?: string | null;
  readonly qe_status?: string;
  readonly current_status?: string;
  readonly current_tcb_date?: string;
  readonly current_advisory_ids?: readonly string[];
  readonly tcb_evaluation_data_number?: number;
  readonly root_ca_crl_number?: number;
  readonly pck_crl_number?: number;
  readonly event_log_expect?: unknown;
  readonly values?: {
    readonly quote_version: number;
    readonly user_data: string;
    readonly body: Readonly<Record<string, string | number | boolean>>;
    readonly pck?: Readonly<Record<string, unknown>>;
  };
}

const NOTHING = { runtimeDataDigest: undefined, initDataDigest: undefined };
/** What genuine hardware may look like is the settings' question; these cases ask whether it is genuine. */
const PERMISSIVE = { allowDebug: true, allowedTcbStatuses: TCB_STATUSES };

export const dcapFile = (tee: string, name: string) => readFileSync(sharedPath(`fixtures/${tee}`, name));

export function dcapCases(tee: "tdx" | "sgx"): readonly DcapCase[] {
  return (JSON.parse(dcapFile(tee, "cases.json").toString("utf8")) as { cases: readonly DcapCase[] }).cases;
}

export function dcapVerifier(
  tee: "tdx" | "sgx",
  one: DcapCase,
  more: object = {},
): TdxVerifier | SgxVerifier {
  const anchors =
    one.root === "builtin"
      ? pinnedDcapTrustAnchors()
      : dcapTrustAnchorsFromPem([dcapFile(tee, one.root).toString("latin1")]);
  const sets = one.collateral
    ? [collateralFromJson(readJson(dcapFile(tee, one.collateral)), "the given collateral")]
    : [];
  const source = fixedCollateral(anchors, sets);
  const now = () => Date.parse(one.verify_at);
  const permissive = { ...PERMISSIVE, ...(tee === "tdx" ? { allowServiceTd: true } : {}), ...more };
  if (tee === "tdx") return new TdxVerifier(settingsFrom(tdxSection.parse(permissive, "")), source, now);
  return new SgxVerifier(settingsFrom(sgxSection.parse(permissive, "")), source, now);
}

function settingsFrom<T>(parsed: { ok: true; value: T } | { ok: false; faults: unknown }): T {
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

export async function outcomeOf(run: Promise<Verification>): Promise<Verification | EvidenceRejected> {
  try {
    return await run;
  } catch (error) {
    if (error instanceof EvidenceRejected) return error;
    throw error;
  }
}

/** The quote of a case, or its evidence where it has some. */
export function runCase(tee: "tdx" | "sgx", one: DcapCase, form: "quote" | "evidence") {
  const verifier = dcapVerifier(tee, one);
  const signal = AbortSignal.timeout(10_000);
  const run =
    form === "evidence" && one.evidence !== undefined
      ? verifier.verifyText(dcapFile(tee, one.evidence), NOTHING, signal)
      : verifier.verifyBinary(dcapFile(tee, one.quote), NOTHING, signal);
  return outcomeOf(run);
}

/** Verdict, the failing check and every value that the case states. */
export function expectOutcome(one: DcapCase, outcome: Verification | EvidenceRejected): void {
  const accepted = !(outcome instanceof EvidenceRejected);
  const lenient = one.lenient_expect === (accepted ? "accept" : "reject");
  if (!accepted) {
    expect([one.expect, ...(lenient ? ["reject"] : [])]).toContain("reject");
    if (one.expect === "reject") expect(one.fails).toContain(outcome.check.replaceAll("-", "_"));
    return;
  }
  if (one.expect === "reject" && !lenient)
    throw new Error(`accepted, though ${one.fails?.join()} should refuse`);
  const claims: Readonly<Record<string, unknown>> = outcome.results[0]?.claims ?? {};
  expect(claims["tcb_status"]).toBe(one.tcb_status ?? one.lenient_status);
  if (one.expect === "accept") expectValues(one, claims);
}

function expectValues(one: DcapCase, claims: Readonly<Record<string, unknown>>): void {
  expect(claims).toMatchObject({
    tcb_date: one.tcb_date,
    advisory_ids: one.advisory_ids,
    platform_tcb_status: one.platform_status,
    qe_tcb_status: one.qe_status,
    tcb_eval_num: one.tcb_evaluation_data_number,
    root_ca_crl_num: one.root_ca_crl_number,
    pck_crl_num: one.pck_crl_number,
    collateral_expiration_status: "0",
    earliest_issue_date: expect.stringMatching(/^20\d\d-/),
  });
  expect(claims["module_tcb_status"] ?? null).toBe(one.module_status);
  expect(claims["tcb_status_current"]).toBe(one.current_status);
  expect(claims["tcb_date_current"]).toBe(one.current_tcb_date);
  expect(claims["advisory_ids_current"]).toEqual(one.current_advisory_ids);
  const { pck } = one.values ?? {};
  expect(claims).toMatchObject({
    fmspc: pck?.["fmspc"],
    pceid: pck?.["pceid"],
    platform_provider_id: pck?.["ppid"],
    sgx_type: ["Standard", "Scalable", "Scalable with Integrity"][Number(pck?.["sgx_type"])],
  });
  const instance = pck?.["platform_instance_id"];
  const reversed =
    typeof instance === "string" ? Buffer.from(instance, "hex").reverse().toString("hex") : undefined;
  expect(claims["platform_instance_id"]).toBe(reversed);
  expect(claims).toMatchObject(registration(pck?.["configuration"]));
}

function registration(configuration: unknown): object {
  if (configuration === undefined || configuration === null) return {};
  const { dynamicPlatform, cachedKeys, smtEnabled } = configuration as Record<string, boolean>;
  return { is_dynamic_platform: dynamicPlatform, is_cached_keys: cachedKeys, is_smt_enabled: smtEnabled };
}
