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
