import type { CheckDescription } from "../../trail.ts";

const ABI = "AMD 56860 (SEV-SNP firmware ABI) 1.58";
const KDS = "AMD 57230 (VCEK certificate and KDS interface) 0.51";
const PKIX = "RFC 5280";

/**
 * Every check on SEV-SNP evidence, in the order of trust: form, keys, signature, and only then what the
 * report says. Checks that compare with settings pass when the setting demands nothing.
 */
export const SNP_CHECKS = {
  "evidence-format": {
    expected: "evidence JSON with a report and, optionally, a certificate chain",
    source: `${ABI} §7.3; Confidential Containers SNP evidence, sev crate 6`,
  },
  "report-version": { expected: "a report version from the configured minimum to 5", source: `${ABI} §7.3` },
  "signature-algorithm": { expected: "1 (ECDSA P-384 with SHA-384)", source: `${ABI} §7.3, SIGNATURE_ALGO` },
  "reserved-fields": { expected: "zero in every reserved field", source: `${ABI} §7.3` },
  "policy-bit17": { expected: "bit 17 of the guest policy set", source: `${ABI} §4.3` },
  "policy-reserved-bits": { expected: "bits 63:26 of the guest policy zero", source: `${ABI} §4.3` },
  "mask-chip-key": { expected: "MASK_CHIP_KEY off", source: `${ABI} §7.3` },
  "collateral-format": {
    expected: "certificates, revocation lists and certificate tables that can be read",
    source: PKIX,
  },
  "vek-available": { expected: "a certificate of the key that signed the report", source: `${KDS} §4` },
  "certificate-format": {
    expected: "well-formed X.509 certificates with AMD's extensions",
    source: `${KDS} §3`,
  },
  "certificate-names": { expected: "subject and issuer names as AMD writes them", source: `${KDS} §3` },
  "key-type": { expected: "an EC key on P-384 in the certificate", source: `${KDS} §3` },
  "chain-root": {
    expected: "a pinned AMD root key for the product",
    source: `${KDS} §3; pinned fingerprints`,
  },
  "chain-signature": {
    expected: "every certificate signed by the next one up to the root",
    source: `${PKIX} §6.1`,
  },
  "chain-profile": {
    expected: "RSA-4096 authorities with CA flag and path length 0, RSASSA-PSS with SHA-384 throughout",
    source: `${KDS} §3; ${PKIX} §4.2.1`,
  },
  "key-kind": {
    expected: "report, certificate label, subject and issuer to name the same kind of key (VCEK or VLEK)",
    source: `${ABI} §7.3, SIGNING_KEY; ${KDS} §3`,
  },
  product: {
    expected: "a supported processor, the same in report and certificate issuer",
    source: `${ABI} §7.3`,
  },
  "product-name": { expected: "the product name extension to agree with the issuer", source: `${KDS} §3` },
  "certificate-validity": { expected: "certificates within their validity", source: `${PKIX} §4.1.2.5` },
  "crl-available": { expected: "a revocation list of the root key at hand", source: `${PKIX} §6.3` },
  "crl-signature": {
    expected: "a revocation list signed by the pinned root key",
    source: `${PKIX} §5, §6.3.3`,
  },
  "crl-freshness": {
    expected: "a revocation list between thisUpdate and nextUpdate",
    source: `${PKIX} §5.1.2`,
  },
  revocation: { expected: "the intermediate certificate not revoked", source: `${PKIX} §6.3.3` },
  "report-signature": { expected: "the report signed by the key of the certificate", source: `${ABI} §7.3` },
  "vek-tcb": { expected: "REPORTED_TCB equal to the TCB in the certificate", source: `${KDS} §3` },
  "chip-id": { expected: "CHIP_ID equal to the hardware id in the certificate", source: `${KDS} §3` },
  "report-data": {
    expected: "REPORT_DATA equal to the expected binding",
    source: `${ABI} §7.3; KBS protocol`,
  },
  "host-data": { expected: "HOST_DATA equal to the init-data digest", source: `${ABI} §7.3; KBS protocol` },
  vmpl: { expected: "a report from an allowed privilege level", source: `${ABI} §7.3, VMPL` },
  debug: { expected: "debugging off (setting allowDebug)", source: `${ABI} §4.3, DEBUG` },
  "migration-agent": { expected: "no migration agent (setting allowMigrationAgent)", source: `${ABI} §4.3` },
  "guest-policy": { expected: "the guest policy bits the settings ask for", source: `${ABI} §4.3` },
  "platform-info": {
    expected: "the platform bits the settings ask for",
    source: `${ABI} §7.3, PLATFORM_INFO`,
  },
  "allowed-product": { expected: "a product of setting allowedProducts", source: "operator settings" },
  "allowed-key": { expected: "a signing key the settings allow", source: "operator settings" },
  "allowed-chip": { expected: "a chip the settings allow", source: "operator settings" },
  "minimum-tcb": { expected: "every part of the TCB at or above its minimum", source: `${ABI} §2.2` },
  "minimum-firmware": { expected: "firmware at or above the minimum version", source: `${ABI} §7.3` },
  "committed-tcb": { expected: "firmware that cannot be rolled back", source: `${ABI} §7.3, COMMITTED_TCB` },
  mitigations: { expected: "the mitigations the settings require", source: `${ABI} §7.3, MIT_VECTOR` },
  "id-block": { expected: "identity keys the settings allow", source: `${ABI}, SNP_LAUNCH_FINISH` },
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type SnpCheck = keyof typeof SNP_CHECKS;
