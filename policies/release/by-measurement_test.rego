package policy_test

import data.policy
import rego.v1

provisioned := {
	"release/team-a/measurements": ["m1", "r1", "r2"],
	"release/team-b/measurements": ["m2"],
}

lookup(id) := object.get(provisioned, id, null)

guest(status, evidence) := {"submods": {"cpu0": {
	"ear.status": status,
	"ear.veraison.annotated-evidence": evidence,
}}}

allowed(repository, token) if {
	policy.allow with input as token
		with data.plugin as "resource"
		with data["resource-path"] as [repository, "luks", "disk1"]
		with query_reference_value as lookup
}

test_its_own_repository if allowed("team-a", guest("affirming", {"snp": {"measurement": "m1"}}))

test_another_repository if not allowed("team-b", guest("affirming", {"snp": {"measurement": "m1"}}))

test_a_repository_without_list if not allowed("team-c", guest("affirming", {"snp": {"measurement": "m1"}}))

test_a_guest_that_is_not_affirming if not allowed("team-a", guest("warning", {"snp": {"measurement": "m1"}}))

tdx(body) := guest("affirming", {"tdx": {"quote": {"body": body}}})

test_tdx if allowed("team-a", tdx({"mr_td": "m1", "rtmr_1": "r1", "rtmr_2": "r2"}))

test_tdx_with_another_firmware_kernel_or_command_line if {
	every name in ["mr_td", "rtmr_1", "rtmr_2"] {
		body := {"mr_td": "m1", "rtmr_1": "r1", "rtmr_2": "r2"}
		not allowed("team-a", tdx(object.union(body, {name: "x"})))
		not allowed("team-a", tdx(object.remove(body, [name])))
	}
}

azure(claims) := guest("affirming", {"az-snp-vtpm": claims})

test_azure if {
	allowed("team-a", azure({"measurement": "m1", "tpm": {"pcr11": "r1"}}))
	not allowed("team-a", azure({"measurement": "x", "tpm": {"pcr11": "r1"}}))
	not allowed("team-a", azure({"measurement": "m1", "tpm": {"pcr11": "x"}}))
	not allowed("team-a", azure({"measurement": "m1"}))
}

test_evidence_without_measurement if not allowed("team-a", guest("affirming", {"snp": {}}))

test_sample_evidence if not allowed("team-a", guest("affirming", {"sample": {"measurement": "m1"}}))

registered_guest := guest("affirming", {"snp": {"measurement": "m1"}})

released(token, plugin, register) if {
	policy.allow with input as token
		with data.plugin as plugin
		with data["resource-path"] as ["team-a", "luks", "disk1"]
		with query_reference_value as register
}

test_only_the_resource_plugin if {
	released(registered_guest, "resource", ["m1"])
	not released(registered_guest, "pkcs11", ["m1"])
}

test_a_register_that_is_no_list if {
	every register in [null, "m1", {"a": "m1"}] {
		not released(registered_guest, "resource", register)
	}
}

test_a_device_that_is_not_affirming if {
	device := {"submods": {"gpu0": {"ear.status": "warning"}}}
	not released(object.union(registered_guest, device), "resource", ["m1"])
}
