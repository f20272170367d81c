package policy_test

import data.policy
import rego.v1

provisioned := {
	"launch_digest": ["abcde"],
	"svn": ["1"],
	"major_version": 1,
	"minimum_minor_version": 4,
	"snp_launch_measurement": ["m"],
	"snp_bootloader": [4],
	"snp_microcode": [213],
	"snp_snp_svn": [22],
	"snp_tee_svn": [0],
	"snp_smt_enabled": true,
	"snp_tsme_enabled": false,
	"snp_guest_abi_major": 1,
	"snp_guest_abi_minor": 31,
	"snp_single_socket": false,
	"snp_smt_allowed": true,
	"mr_td": ["t"],
	"rtmr_1": ["1"],
	"rtmr_2": ["2"],
	"xfam": ["f"],
	"tdvfkernel": "aa",
	"tdvfkernelparams": "bb",
}

lookup(id) := object.get(provisioned, id, null)

nothing(_) := null

snp := {
	"measurement": "m",
	"reported_tcb_bootloader": 4,
	"reported_tcb_microcode": 213,
	"reported_tcb_snp": 22,
	"reported_tcb_tee": 0,
	"policy_debug_allowed": false,
	"policy_migrate_ma": false,
	"platform_smt_enabled": true,
	"platform_tsme_enabled": false,
	"policy_abi_major": 1,
	"policy_abi_minor": 31,
	"policy_single_socket": false,
	"policy_smt_allowed": true,
}

tdx := {
	"quote": {
		"header": {"tee_type": "81000000", "vendor_id": "939a7233f79c4ca9940a0db3957f0607"},
		"body": {"mr_td": "t", "rtmr_1": "1", "rtmr_2": "2", "xfam": "f"},
	},
	"td_attributes": {"debug": false},
	"tcb_status": "UpToDate",
	"collateral_expiration_status": "0",
	"uefi_event_logs": [
		{
			"type_name": "EV_EFI_BOOT_SERVICES_APPLICATION",
			"digests": [{"alg": "SHA-384", "digest": "aa"}],
			"details": {"device_paths": ["File(kernel)"]},
		},
		{
			"type_name": "EV_EVENT_TAG",
			"digests": [{"alg": "SHA-384", "digest": "bb"}],
			"details": {"string": "LOADED_IMAGE::LoadOptions"},
		},
	],
}

# Executables, hardware and configuration, the three claims that the rules decide.
verdict(claims) := [claims.executables, claims.hardware, claims.configuration]

test_snp_as_provisioned if {
	verdict(policy.trust_claims) == [3, 2, 2] with input as {"snp": snp} with query_reference_value as lookup
}

test_snp_without_reference_values_is_contraindicated if {
	verdict(policy.trust_claims) == [33, 97, 3] with input as {"snp": snp} with query_reference_value as nothing
}

test_snp_under_a_debugger if {
	debugged := object.union(snp, {"policy_debug_allowed": true})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"snp": debugged} with query_reference_value as lookup
}

test_snp_with_another_measurement if {
	other := object.union(snp, {"measurement": "x"})
	verdict(policy.trust_claims) == [33, 2, 2] with input as {"snp": other} with query_reference_value as lookup
}

test_snp_with_another_firmware if {
	other := object.union(snp, {"reported_tcb_snp": 21})
	verdict(policy.trust_claims) == [3, 97, 2] with input as {"snp": other} with query_reference_value as lookup
}

test_snp_without_the_debug_claim if {
	silent := object.remove(snp, ["policy_debug_allowed"])
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"snp": silent} with query_reference_value as lookup
}

test_tdx_booted_directly if {
	verdict(policy.trust_claims) == [3, 2, 2] with input as {"tdx": tdx} with query_reference_value as lookup
}

test_tdx_booted_by_a_boot_loader if {
	plain := object.remove(tdx, ["uefi_event_logs"])
	verdict(policy.trust_claims) == [4, 2, 2] with input as {"tdx": plain} with query_reference_value as lookup
}

test_tdx_with_an_old_tcb if {
	old := object.union(tdx, {"tcb_status": "OutOfDate"})
	verdict(policy.trust_claims) == [3, 97, 2] with input as {"tdx": old} with query_reference_value as lookup
}

test_kinds_without_rules_are_contraindicated if {
	every tee in ["sgx", "cca", "csv"] {
		verdict(policy.trust_claims) == [33, 97, 36] with input as {tee: {}} with query_reference_value as lookup
	}
}

sample := {"svn": "1", "launch_digest": "abcde", "debug": false, "platform_version": {"major": 1, "minor": 4}}

test_sample_without_reference_values_is_contraindicated if {
	verdict(policy.trust_claims) == [33, 97, 2] with input as {"sample": sample} with query_reference_value as nothing
}

test_sample_in_development if {
	verdict(policy.trust_claims) == [3, 2, 2] with input as {"sample": sample} with query_reference_value as lookup
}

test_no_identifiers_without_init_data if {
	policy.validated == {} with input as {"snp": snp}
}

test_identifiers_of_the_agent_policy if {
	containers := [{"OCI": {
		"Annotations": {"io.kubernetes.cri.image-name": "registry.example/app:1"},
		"Process": {"User": {"UID": 65534}},
	}}]
	expected := {"container_images": ["registry.example/app:1"], "container_uids": [65534]}
	policy.validated == expected with input.init_data_claims as {"agent_policy_claims": {"containers": containers}}
}
