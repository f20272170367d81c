import { isZero, toHex } from "../../../crypto/bytes.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import type { VerifiedChain } from "./chain.ts";
import { firmwareText, hasBit, PLATFORM_BITS, POLICY_BITS, type Report, type Tcb } from "./report.ts";

/**
 * Flat claims about a verified report. The names of the reference implementation's claims are kept, as stock
 * policies read them; further fields have names of their own. 64-bit words are hexadecimal text.
 */
export function snpClaims(report: Report, chain: VerifiedChain): JsonObject {
  return {
    report_data: toHex(report.reportData),
    init_data: toHex(report.hostData),
    measurement: toHex(report.measurement),
    // All zero means masked: that is no identity, so there is no claim.
    ...(isZero(report.chipId) ? {} : { chip_id: toHex(report.chipId) }),
    ...policyClaims(report.policy),
    ...platformClaims(report.platformInfo),
    ...tcbClaims("reported_tcb", report.reportedTcb),
    ...tcbClaims("current_tcb", report.currentTcb),
    ...tcbClaims("committed_tcb", report.committedTcb),
    ...tcbClaims("launch_tcb", report.launchTcb),
    version: report.version,
    vmpl: report.vmpl,
    guest_svn: report.guestSvn,
    family_id: toHex(report.familyId),
    image_id: toHex(report.imageId),
    id_key_digest: toHex(report.idKeyDigest),
    author_key_digest: toHex(report.authorKeyDigest),
    author_key_present: report.authorKeyPresent,
    report_id: toHex(report.reportId),
    report_id_ma: toHex(report.reportIdMa),
    current_version: firmwareText(report.current),
    committed_version: firmwareText(report.committed),
    policy: hex(report.policy),
    platform_info: hex(report.platformInfo),
    ...cpuidClaims(report),
    ...mitigationClaims(report),
    product: chain.product,
    signing_key: chain.vek.subjectKind === "VLEK" ? "vlek" : "vcek",
    ...(chain.vek.cspId === undefined ? {} : { vek_csp_id: chain.vek.cspId }),
  };
}

function policyClaims(policy: bigint): JsonObject {
  const bit = (name: keyof typeof POLICY_BITS) => hasBit(policy, POLICY_BITS[name]);
  return {
    policy_abi_major: Number((policy >> 8n) & 0xffn),
    policy_abi_minor: Number(policy & 0xffn),
    policy_smt_allowed: bit("smt"),
    policy_migrate_ma: bit("migration-agent"),
    policy_debug_allowed: bit("debug"),
    policy_single_socket: bit("single-socket"),
    policy_cxl_allowed: bit("cxl"),
    policy_aes_256_xts_required: bit("aes-256-xts"),
    policy_rapl_off_required: bit("rapl-off"),
    policy_ciphertext_hiding_required: bit("ciphertext-hiding"),
    policy_page_swap_disabled: bit("page-swap-disabled"),
  };
}

function platformClaims(info: bigint): JsonObject {
  const bit = (name: keyof typeof PLATFORM_BITS) => hasBit(info, PLATFORM_BITS[name]);
  return {
    platform_smt_enabled: bit("smt"),
    platform_tsme_enabled: bit("tsme"),
    platform_ecc_enabled: bit("ecc"),
    platform_rapl_off: bit("rapl-off"),
    platform_ciphertext_hiding_enabled: bit("ciphertext-hiding"),
    platform_alias_check_complete: bit("alias-check"),
    platform_iommu_write_safe: bit("iommu-write-safe"),
    platform_sev_tio_enabled: bit("sev-tio"),
  };
}

function tcbClaims(prefix: string, tcb: Tcb): JsonObject {
  const claims: Record<string, JsonValue> = {
    [`${prefix}_bootloader`]: tcb.bootloader,
    [`${prefix}_tee`]: tcb.tee,
    [`${prefix}_snp`]: tcb.snp,
    [`${prefix}_microcode`]: tcb.microcode,
  };
  if (tcb.fmc !== undefined) claims[`${prefix}_fmc`] = tcb.fmc;
  return claims;
}

function cpuidClaims({ cpuid }: Report): JsonObject {
  return cpuid === undefined
    ? {}
    : { cpuid_family: cpuid.family, cpuid_model: cpuid.model, cpuid_stepping: cpuid.stepping };
}

function mitigationClaims({ launchMitigations, currentMitigations }: Report): JsonObject {
  return launchMitigations === undefined || currentMitigations === undefined
    ? {}
    : { launch_mit_vector: hex(launchMitigations), current_mit_vector: hex(currentMitigations) };
}

function hex(word: bigint): string {
  return `0x${word.toString(16)}`;
}
