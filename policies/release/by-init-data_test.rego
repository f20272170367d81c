package policy_test

import data.policy
import rego.v1

provisioned := {"release/team-a/init-data": ["d1"]}

lookup(id) := object.get(provisioned, id, null)

allowed(evidence) if {
	policy.allow with input.submods.cpu0 as {"ear.status": "affirming", "ear.veraison.annotated-evidence": evidence}
		with data.plugin as "resource"
		with data["resource-path"] as ["team-a", "luks", "disk1"]
		with query_reference_value as lookup
}

test_the_registered_document if allowed({"snp": {}, "init_data": "d1", "init_data_claims": {}})

test_another_document if not allowed({"snp": {}, "init_data": "d2", "init_data_claims": {}})

test_a_register_without_document if not allowed({"snp": {}, "init_data": "d1", "init_data_claims": null})

test_no_init_data if not allowed({"snp": {}})

test_sample_evidence if not allowed({"sample": {}, "init_data": "d1", "init_data_claims": {}})

registered_guest := {"submods": {"cpu0": {
	"ear.status": "affirming",
	"ear.veraison.annotated-evidence": {"snp": {}, "init_data": "d1", "init_data_claims": {}},
}}}

released(token, plugin, register) if {
	policy.allow with input as token
		with data.plugin as plugin
		with data["resource-path"] as ["team-a", "luks", "disk1"]
		with query_reference_value as register
}

test_only_the_resource_plugin if {
	released(registered_guest, "resource", ["d1"])
	not released(registered_guest, "pkcs11", ["d1"])
}

test_a_register_that_is_no_list if {
	every register in [null, "d1", {"a": "d1"}] {
		not released(registered_guest, "resource", register)
	}
}

test_a_guest_with_a_device_that_is_not_affirming if {
	device := {"submods": {"gpu0": {"ear.status": "warning"}}}
	not released(object.union(registered_guest, device), "resource", ["d1"])
}
