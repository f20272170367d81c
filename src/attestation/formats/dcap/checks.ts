import type { CheckDescription } from "../../trail.ts";

const QUOTE = "Intel SGX and TDX DCAP quote library API 1.23, quote format";
const PCK = "Intel SGX PCK certificate and CRL specification 1.5";
const PCS = "Intel PCS API v4";
const QVL = "Intel DCAP quote verification library";
const PKIX = "RFC 5280";
const MODULE = "Intel TDX module ABI 1.5";
const SDM = "Intel SDM vol. 3D §38, REPORT";

/**
 * Every check on the quote itself and on Intel's statements about the platform, in the order of trust. Names say which
 * fault a check looks for, or which field it compares.
 */
export const DCAP_CHECKS = {
  malformed: { expected: "evidence and a quote whose lengths all fit exactly", source: QUOTE },
  unsupported: {
    expected: "a quote version, body, key type and certification data that can be verified",
    source: QUOTE,
  },
  vendor: { expected: "Intel's quoting enclave (939a7233f79c4ca9940a0db3957f0607)", source: QUOTE },
  "root-untrusted": {
    expected: "a chain that ends in the pinned Intel SGX Root CA, byte for byte",
    source: `${PCK} §1.3; pinned fingerprint`,
  },
  "pck-role": {
    expected: "a PCK certificate below the Platform or the Processor CA, by name, CA flag and key usage",
    source: `${PCK} §1.3`,
  },
  "pck-chain": {
    expected: "leaf, PCK CA and root, each on P-256 and signed by the next one",
    source: `${PCK} §1.3; ${PKIX} §6.1`,
  },
  "pck-extension": { expected: "the SGX extensions of a PCK certificate", source: `${PCK} §1.3.5` },
  validity: { expected: "certificates within their validity", source: `${PKIX} §4.1.2.5` },
  "qe-signature": { expected: "the quoting enclave's report signed by the PCK key", source: QUOTE },
  "qe-binding": {
    expected: "SHA-256 of attestation key and QE authentication data in the enclave's report, then zeros",
    source: QUOTE,
  },
  "quote-signature": { expected: "header and body signed by the attestation key", source: QUOTE },
  "report-data": {
    expected: "REPORTDATA equal to the expected binding",
    source: `${MODULE}, TDREPORT; ${SDM}; KBS protocol`,
  },
  "init-data": {
    expected: "the configuration id (MRCONFIGID, CONFIGID) equal to the init-data digest",
    source: `${MODULE}, TDREPORT; ${SDM}; KBS protocol`,
  },
  "collateral-format": { expected: "files of collateral that can be read", source: "operator settings" },
  "no-collateral": { expected: "Intel's statements about this platform at hand", source: PCS },
  "crl-format": {
    expected: "revocation lists with a number that can be read",
    source: `${PCK} §2; ${PKIX} §5`,
  },
  "crl-issuer": {
    expected: "one list of the root and one of the PCK CA of this chain",
    source: `${PKIX} §5.1.2.3`,
  },
  "crl-signature": {
    expected: "revocation lists signed by the authorities they name",
    source: `${PKIX} §6.3.3`,
  },
  "crl-expired": {
    expected: "revocation lists between thisUpdate and nextUpdate",
    source: `${PKIX} §5.1.2`,
  },
  "tcb-signer": {
    expected: "the Intel SGX TCB Signing certificate, directly below the pinned root and valid now",
    source: `${PCS}, issuer chains`,
  },
  revoked: { expected: "no certificate of the chains on a revocation list", source: `${PKIX} §6.3.3` },
  "tcb-info-signature": {
    expected: "TCB info signed by the TCB signing certificate",
    source: `${PCS}, TCB info`,
  },
  "qe-identity-signature": {
    expected: "the QE identity signed by the TCB signing certificate",
    source: `${PCS}, enclave identity`,
  },
  "tcb-info-id": { expected: "TCB info of this kind of TEE and a known version", source: `${PCS}, TCB info` },
  "qe-identity-id": {
    expected: "the identity of this TEE's quoting enclave, version 2",
    source: `${PCS}, enclave identity`,
  },
  "tcb-info-format": {
    expected: "TCB info with 16 components per level and known statuses",
    source: `${PCS}, TCB info`,
  },
  "qe-identity-format": {
    expected: "a QE identity with levels and known statuses",
    source: `${PCS}, enclave identity`,
  },
  "tcb-info-expired": {
    expected: "TCB info between issueDate and nextUpdate",
    source: `${PCS}, TCB info`,
  },
  "qe-identity-expired": {
    expected: "a QE identity between issueDate and nextUpdate",
    source: `${PCS}, enclave identity`,
  },
  fmspc: { expected: "TCB info for the FMSPC of the PCK certificate", source: `${PCS}, TCB info` },
  pceid: { expected: "TCB info for the PCEID of the PCK certificate", source: `${PCS}, TCB info` },
  "tdx-module": {
    expected: "a TDX module of a known line with Intel's signer and no SEAM attributes",
    source: `${PCS}, TCB info, tdxModule`,
  },
  "qe-identity": {
    expected: "a quoting enclave with the signer, product, attributes and MISCSELECT of the identity",
    source: `${PCS}, enclave identity`,
  },
  "tcb-unsupported": {
    expected: "a level that platform, TDX module and quoting enclave reach",
    source: `${QVL}, TCB levels`,
  },
  "tcb-revoked": { expected: "a TCB that Intel did not revoke", source: `${QVL}, TCB levels` },
  "evaluation-number": {
    expected: "collateral of the TCB evaluation number the settings ask for",
    source: "operator settings",
  },
  "tcb-status": { expected: "a TCB status the settings allow", source: "operator settings" },
  "tcb-age": { expected: "a TCB no older than the settings ask for", source: "operator settings" },
  advisories: { expected: "no security advisory the settings refuse", source: "operator settings" },
  platform: { expected: "a platform the settings allow", source: "operator settings" },
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type DcapCheck = keyof typeof DCAP_CHECKS;

/** Something did not hold. Becomes the failed check of a trail; sources of collateral see it directly. */
export class DcapFault extends Error {
  readonly check: DcapCheck;

  constructor(check: DcapCheck, seen: string, cause?: unknown) {
    super(seen, cause === undefined ? undefined : { cause });
    this.name = "DcapFault";
    this.check = check;
  }
}
