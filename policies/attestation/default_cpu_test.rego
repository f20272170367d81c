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
	"measurement": ["bQ=="],
	"snp_pcr11": ["p"],
	"tcb_bootloader": ["4"],
	"tcb_microcode": ["213"],
	"tcb_snp": ["22"],
	"tcb_tee": ["0"],
	"smt_enabled": ["true"],
	"tsme_enabled": ["false"],
	"abi_major": ["1"],
	"abi_minor": ["31"],
	"single_socket": ["false"],
	"smt_allowed": ["true"],
	"tdx_pcr11": ["q"],
	"tpm_pcr11": ["r"],
	"trusted_aks": ["k"],
	"sgx_mr_enclave": ["e"],
	"sgx_mr_signer": ["s"],
	"sgx_isv_prod_id": ["0100"],
	"sgx_isv_svn": ["0200"],
	"sgx_tcb_statuses": ["UpToDate", "SWHardeningNeeded"],
	"sgx_attributes_flags": ["0500000000000000"],
	"cca_realm_initial_measurement": ["r"],
	"cca_implementation_ids": ["i"],
	"cca_platform_configs": ["c"],
	"csv_measure": ["m"],
	"csv_serial_numbers": ["n"],
	"csv_policies": [{"nodbg": 1, "noks": 1}],
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

test_evidence_without_claims_is_contraindicated if {
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

test_snp_every_firmware_version_counts if {
	every part in ["bootloader", "microcode", "snp", "tee"] {
		other := object.union(snp, {sprintf("reported_tcb_%s", [part]): 99})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"snp": other} with query_reference_value as lookup
	}
}

test_snp_every_setting_counts if {
	every name, value in {
		"platform_smt_enabled": false,
		"platform_tsme_enabled": true,
		"policy_abi_major": 2,
		"policy_abi_minor": 32,
		"policy_single_socket": true,
		"policy_smt_allowed": false,
	} {
		other := object.union(snp, {name: value})
		verdict(policy.trust_claims) == [3, 2, 3] with input as {"snp": other} with query_reference_value as lookup
	}
}

test_snp_with_a_migration_agent if {
	migrating := object.union(snp, {"policy_migrate_ma": true})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"snp": migrating} with query_reference_value as lookup
}

test_snp_one_value_where_a_list_belongs if {
	verdict(policy.trust_claims) == [33, 97, 3] with input as {"snp": snp} with query_reference_value as 4
}

test_tdx_of_another_vendor if {
	every name in ["tee_type", "vendor_id"] {
		other := object.union(tdx, {"quote": {"header": {name: "00"}}})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"tdx": other} with query_reference_value as lookup
	}
}

test_tdx_with_another_firmware if {
	other := object.union(tdx, {"quote": {"body": {"mr_td": "x"}}})
	verdict(policy.trust_claims) == [3, 97, 2] with input as {"tdx": other} with query_reference_value as lookup
}

test_tdx_with_another_register if {
	every name in ["rtmr_1", "rtmr_2"] {
		other := object.union(tdx, {"quote": {"body": {name: "x"}}})
		verdict(policy.trust_claims) == [33, 2, 2] with input as {"tdx": other} with query_reference_value as lookup
	}
}

test_tdx_with_another_kernel_or_command_line if {
	every name in ["tdvfkernel", "tdvfkernelparams"] {
		lacking := object.remove(provisioned, [name])
		verdict(policy.trust_claims) == [4, 2, 2] with input as {"tdx": tdx}
			with data.fixture as lacking
			with query_reference_value as lookup_in_fixture
	}
}

lookup_in_fixture(id) := object.get(data.fixture, id, null)

test_tdx_with_expired_collateral if {
	expired := object.union(tdx, {"collateral_expiration_status": "1"})
	verdict(policy.trust_claims) == [3, 97, 2] with input as {"tdx": expired} with query_reference_value as lookup
}

test_tdx_under_a_debugger if {
	debugged := object.union(tdx, {"td_attributes": {"debug": true}})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"tdx": debugged} with query_reference_value as lookup
}

test_tdx_with_other_features if {
	other := object.union(tdx, {"quote": {"body": {"xfam": "x"}}})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"tdx": other} with query_reference_value as lookup
}

test_tdx_without_reference_values_is_contraindicated if {
	verdict(policy.trust_claims) == [33, 97, 36] with input as {"tdx": tdx} with query_reference_value as nothing
}

azure_snp := {
	"measurement": "bQ==",
	"tpm": {"pcr11": "p"},
	"reported_tcb_bootloader": "4",
	"reported_tcb_microcode": "213",
	"reported_tcb_snp": "22",
	"reported_tcb_tee": "0",
	"policy_debug_allowed": "false",
	"platform_smt_enabled": "true",
	"platform_tsme_enabled": "false",
	"policy_abi_major": "1",
	"policy_abi_minor": "31",
	"policy_single_socket": "false",
	"policy_smt_allowed": "true",
}

azure_snp_verdict(claims) := got if {
	got := verdict(policy.trust_claims) with input as {"az-snp-vtpm": claims}
		with query_reference_value as lookup
}

test_azure_snp_as_provisioned if azure_snp_verdict(azure_snp) == [3, 2, 2]

test_azure_snp_every_claim_counts if {
	every claim, expected in {
		"measurement": [33, 2, 2],
		"tpm": [33, 2, 2],
		"reported_tcb_bootloader": [3, 97, 2],
		"reported_tcb_microcode": [3, 97, 2],
		"reported_tcb_snp": [3, 97, 2],
		"reported_tcb_tee": [3, 97, 2],
		"platform_smt_enabled": [3, 2, 36],
		"platform_tsme_enabled": [3, 2, 36],
		"policy_abi_major": [3, 2, 36],
		"policy_abi_minor": [3, 2, 36],
		"policy_single_socket": [3, 2, 36],
		"policy_smt_allowed": [3, 2, 36],
	} {
		azure_snp_verdict(object.remove(azure_snp, [claim])) == expected
	}
}

test_azure_snp_under_a_debugger if {
	azure_snp_verdict(object.union(azure_snp, {"policy_debug_allowed": "true"})) == [3, 2, 36]
}

test_azure_snp_that_is_silent_about_debugging if {
	azure_snp_verdict(object.remove(azure_snp, ["policy_debug_allowed"])) == [3, 2, 36]
}

test_azure_snp_numbers_are_no_text if {
	azure_snp_verdict(object.union(azure_snp, {"reported_tcb_snp": 22})) == [3, 97, 2]
}

azure_tdx := {
	"quote": {
		"header": {"tee_type": "81000000", "vendor_id": "939a7233f79c4ca9940a0db3957f0607"},
		"body": {"mr_td": "t", "xfam": "f"},
	},
	"td_attributes": {"debug": false},
	"tcb_status": "UpToDate",
	"tpm": {"pcr11": "q"},
}

azure_tdx_verdict(changes) := got if {
	got := verdict(policy.trust_claims) with input as {"az-tdx-vtpm": object.union(azure_tdx, changes)}
		with query_reference_value as lookup
}

test_azure_tdx_as_provisioned if azure_tdx_verdict({}) == [3, 2, 2]

test_azure_tdx_every_claim_counts if {
	azure_tdx_verdict({"tpm": {"pcr11": "x"}}) == [33, 2, 2]
	azure_tdx_verdict({"quote": {"header": {"tee_type": "x"}}}) == [3, 97, 2]
	azure_tdx_verdict({"quote": {"header": {"vendor_id": "x"}}}) == [3, 97, 2]
	azure_tdx_verdict({"quote": {"body": {"mr_td": "x"}}}) == [3, 97, 2]
	azure_tdx_verdict({"tcb_status": "OutOfDate"}) == [3, 97, 2]
	azure_tdx_verdict({"collateral_expiration_status": "1"}) == [3, 97, 2]
	azure_tdx_verdict({"quote": {"body": {"xfam": "x"}}}) == [3, 2, 36]
	azure_tdx_verdict({"td_attributes": {"debug": true}}) == [3, 2, 36]
}

tpm_verdict(claims) := got if {
	got := verdict(policy.trust_claims) with input as {"tpm": claims}
		with query_reference_value as lookup
}

test_tpm_with_a_known_key if tpm_verdict({"pcr11": "r", "ak_public": "k"}) == [3, 2, 0]

test_tpm_needs_register_and_key if {
	tpm_verdict({"pcr11": "x", "ak_public": "k"}) == [33, 2, 0]
	tpm_verdict({"pcr11": "r", "ak_public": "x"}) == [33, 2, 0]
	tpm_verdict({"pcr11": "r"}) == [33, 2, 0]
}

test_se_is_vouched_for_by_its_verifier if {
	verdict(policy.trust_claims) == [3, 2, 2] with input as {"se": {}} with query_reference_value as nothing
}

test_sample_every_condition_counts if {
	sample_verdict({"launch_digest": "x"}) == [33, 2, 2]
	sample_verdict({"svn": "2"}) == [3, 97, 2]
	sample_verdict({"platform_version": {"major": 2}}) == [3, 97, 2]
	sample_verdict({"platform_version": {"minor": 3}}) == [3, 97, 2]
	sample_verdict({"platform_version": {"minor": 5}}) == [3, 2, 2]
	sample_verdict({"debug": true}) == [3, 2, 36]
}

sample_verdict(changes) := got if {
	got := verdict(policy.trust_claims) with input as {"sample": object.union(sample, changes)}
		with query_reference_value as lookup
}

# In Rego's order every number is greater than null, than false and than true.
test_sample_a_minimum_that_is_no_number_is_no_minimum if {
	every minimum in [null, false, true] {
		without := object.union(provisioned, {"minimum_minor_version": minimum})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"sample": sample}
			with data.fixture as without
			with query_reference_value as lookup_in_fixture
	}
}

test_all_eight_claims_are_always_there if {
	every evidence in [{}, {"snp": {}}, {"unknown": {}}] {
		count(policy.trust_claims) == 8 with input as evidence with query_reference_value as nothing
	}
}

test_tdx_events_of_another_kind if {
	every event in [
		# The digest of the kernel, in an event that is not about loading one.
		{"type_name": "EV_IPL", "digests": [{"digest": "aa"}], "details": {"device_paths": ["File(kernel)"]}},
		# And one that loads something, which nobody says is the kernel.
		{"type_name": "EV_EFI_BOOT_SERVICES_APPLICATION", "digests": [{"digest": "aa"}], "details": {}},
	] {
		other := object.union(tdx, {"uefi_event_logs": [event, tdx.uefi_event_logs[1]]})
		verdict(policy.trust_claims) == [4, 2, 2] with input as {"tdx": other} with query_reference_value as lookup
	}
}

test_the_extension_names_what_is_validated if {
	expected := [{"name": "ear.trustee.identifiers", "key": -18, "value": {"validated": {}}}]
	policy.extensions == expected with input as {"snp": snp}
}

sgx := {
	"header": {"vendor_id": "939a7233f79c4ca9940a0db3957f0607"},
	"body": {
		"mr_enclave": "e",
		"mr_signer": "x",
		"isv_prod_id": "0100",
		"isv_svn": "0200",
		"attributes.flags": "0500000000000000",
	},
	"tcb_status": "UpToDate",
	"collateral_expiration_status": "0",
	"debug": false,
}

sgx_verdict(changes) := got if {
	got := verdict(policy.trust_claims) with input as {"sgx": object.union(sgx, changes)}
		with query_reference_value as lookup
}

test_sgx_as_provisioned if {
	sgx_verdict({}) == [3, 2, 2]
	sgx_verdict({"tcb_status": "SWHardeningNeeded"}) == [3, 2, 2]
}

test_sgx_every_claim_counts if {
	sgx_verdict({"body": {"mr_enclave": "x"}}) == [33, 2, 2]
	sgx_verdict({"header": {"vendor_id": "x"}}) == [3, 97, 2]
	sgx_verdict({"tcb_status": "OutOfDate"}) == [3, 97, 2]
	sgx_verdict({"collateral_expiration_status": "1"}) == [3, 97, 2]
	sgx_verdict({"body": {"attributes.flags": "0700000000000000"}}) == [3, 2, 36]
	sgx_verdict({"debug": true}) == [3, 2, 36]
}

test_sgx_by_signer if {
	sgx_verdict({"body": {"mr_enclave": "x", "mr_signer": "s"}}) == [3, 2, 2]
	sgx_verdict({"body": {"mr_enclave": "x", "mr_signer": "s", "isv_prod_id": "0300"}}) == [33, 2, 2]
	sgx_verdict({"body": {"mr_enclave": "x", "mr_signer": "s", "isv_svn": "0100"}}) == [33, 2, 2]
}

cca := {
	"realm": {"cca-realm-initial-measurement": "r"},
	"platform": {
		"cca-platform-implementation-id": "i",
		"cca-platform-lifecycle": 12291,
		"cca-platform-config": "c",
	},
}

cca_verdict(changes) := got if {
	got := verdict(policy.trust_claims) with input as {"cca": object.union(cca, changes)}
		with query_reference_value as lookup
}

test_cca_as_provisioned if cca_verdict({}) == [3, 2, 2]

test_cca_every_claim_counts if {
	cca_verdict({"realm": {"cca-realm-initial-measurement": "x"}}) == [33, 2, 2]
	cca_verdict({"platform": {"cca-platform-implementation-id": "x"}}) == [3, 97, 2]
	cca_verdict({"platform": {"cca-platform-config": "x"}}) == [3, 2, 36]
}

test_cca_that_is_not_secured if {
	every lifecycle in [0, 12287, 12544, 24576, "12291", null] {
		cca_verdict({"platform": {"cca-platform-lifecycle": lifecycle}}) == [3, 2, 36]
	}
}

csv := {"measure": "m", "serial_number": "n", "policy": {"nodbg": 1, "noks": 1}}

csv_verdict(changes) := got if {
	got := verdict(policy.trust_claims) with input as {"csv": object.union(csv, changes)}
		with query_reference_value as lookup
}

test_csv_as_provisioned if csv_verdict({}) == [3, 2, 2]

test_csv_every_claim_counts if {
	csv_verdict({"measure": "x"}) == [33, 2, 2]
	csv_verdict({"serial_number": "x"}) == [3, 97, 2]
	csv_verdict({"policy": {"noks": 0}}) == [3, 2, 36]
}

# A list that names a guest under a debugger does not make it a good one.
test_csv_under_a_debugger if {
	debugged := {"policy": {"nodbg": 0}}
	listing := object.union(provisioned, {"csv_policies": [{"nodbg": 0, "noks": 1}]})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"csv": object.union(csv, debugged)}
		with data.fixture as listing
		with query_reference_value as lookup_in_fixture
}

test_these_kinds_without_reference_values_are_contraindicated if {
	every evidence in [{"sgx": sgx}, {"cca": cca}, {"csv": csv}] {
		verdict(policy.trust_claims) == [33, 97, 36] with input as evidence with query_reference_value as nothing
	}
}
