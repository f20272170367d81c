/**
 * The two uses this broker makes of policies, for advice at upload: which rules it asks for, which documents it
 * provides, and which names its input can have. A test holds the names to what verifiers and tokens really contain.
 */
import { TRUST_CLAIMS } from "../protocol/trust-tiers.ts";
import { ATTESTATION_RULE, EXTENSIONS_RULE, RESOURCE_RULE } from "./policy-names.ts";
import type { InputNames, LintProfile } from "./rego/index.ts";

/** Names whose members are not known here. */
function anyOf(names: readonly string[]): Readonly<Record<string, InputNames>> {
  return Object.fromEntries(names.map((name) => [name, "any" as const]));
}

function versioned(prefix: string): readonly string[] {
  return ["bootloader", "microcode", "snp", "tee", "fmc"].map((part) => `${prefix}_tcb_${part}`);
}

const SNP_CLAIMS: InputNames = anyOf([
  ...["measurement", "chip_id", "version", "vmpl", "guest_svn", "family_id", "image_id"],
  ...["id_key_digest", "author_key_digest", "author_key_present", "report_id", "report_id_ma"],
  ...[
    "current_version",
    "committed_version",
    "policy",
    "platform_info",
    "product",
    "signing_key",
    "vek_csp_id",
  ],
  ...["policy_abi_major", "policy_abi_minor", "policy_smt_allowed", "policy_migrate_ma"],
  ...["policy_debug_allowed", "policy_single_socket", "policy_cxl_allowed", "policy_aes_256_xts_required"],
  ...["policy_rapl_off_required", "policy_ciphertext_hiding_required", "policy_page_swap_disabled"],
  ...["platform_smt_enabled", "platform_tsme_enabled", "platform_ecc_enabled", "platform_rapl_off"],
  ...["platform_ciphertext_hiding_enabled", "platform_alias_check_complete", "platform_iommu_write_safe"],
  ...["platform_sev_tio_enabled", "cpuid_family", "cpuid_model", "cpuid_stepping"],
  ...["launch_mit_vector", "current_mit_vector"],
  ...["reported", "current", "committed", "launch"].flatMap(versioned),
]);

/** TEEs whose claims are not listed here one by one. */
const OTHER_TEES = [
  ...["sample", "sampledevice", "tdx", "sgx", "az-snp-vtpm", "az-tdx-vtpm", "tpm", "se", "cca", "csv"],
  ...["hygondcu", "nvidia", "nvidia-dpu"],
];

/** Annotated evidence: the claims of one verified TEE below its name, and what they vouch for beside them. */
const EVIDENCE: InputNames = {
  ...anyOf([...OTHER_TEES, "init_data", "init_data_claims", "report_data", "runtime_data_claims"]),
  snp: SNP_CLAIMS,
};

/** Claims of a verified token, one submodule for each device; tokens of other issuers may say more. */
const TOKEN: InputNames = {
  ...anyOf(["eat_profile", "ear.verifier-id"]),
  submods: {
    "*": {
      ...anyOf(["ear.status", "ear.trustworthiness-vector", "ear.appraisal-policy-id"]),
      "ear.veraison.annotated-evidence": EVIDENCE,
      "*": "any",
    },
  },
  "*": "any",
};

/**
 * MRTD covers the firmware alone. Who pins it and nothing else lets any kernel and any command line in; on Azure the
 * registers of the vTPM stand for them.
 */
const COMPANIONS: LintProfile["companions"] = [
  {
    member: "mr_td",
    all: ["rtmr_1", "rtmr_2"],
    orOneOf: ["pcr04", "pcr08", "pcr09", "pcr11"],
    message:
      "mr_td measures the firmware only: without rtmr_1 and rtmr_2 any kernel and any command line will do",
  },
];

/** Decides about the release of a secret. */
export const RELEASE_PROFILE: LintProfile = {
  entryPoints: [{ path: RESOURCE_RULE, required: true }],
  documents: [["plugin"], ["resource-path"], ["query"]],
  input: TOKEN,
  companions: COMPANIONS,
};

/** Decides what evidence is worth. */
export const APPRAISAL_PROFILE: LintProfile = {
  entryPoints: [
    { path: ATTESTATION_RULE, required: true },
    { path: EXTENSIONS_RULE, required: false },
  ],
  documents: [],
  input: EVIDENCE,
  byteObjects: [ATTESTATION_RULE],
  byteNames: TRUST_CLAIMS,
  companions: COMPANIONS,
};

/** All of them; a policy is for the first one of which it has an entry point. */
export const LINT_PROFILES: readonly LintProfile[] = [APPRAISAL_PROFILE, RELEASE_PROFILE];

/** For uploads: whoever stores a policy knows which of the two it is, and says itself when its rule is missing. */
export const UPLOAD_PROFILES: readonly LintProfile[] = LINT_PROFILES.map((profile) => ({
  ...profile,
  entryPoints: profile.entryPoints.map(({ path }) => ({ path, required: false })),
}));
