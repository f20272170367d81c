package policy_test

import data.policy
import rego.v1

lookup(id) := object.get({"dcu_chip_ids": ["c"], "dcu_measurements": ["m"]}, id, null)

dcu(chip_id, measure) := {"hygondcu": {"body": {"chip_id": chip_id, "measure": measure}}}

verdict(claims) := [claims.executables, claims.hardware]

test_a_known_chip_as_provisioned if {
	verdict(policy.trust_claims) == [3, 2] with input as dcu("c", "m") with query_reference_value as lookup
}

test_an_unknown_chip_is_contraindicated if {
	verdict(policy.trust_claims) == [3, 97] with input as dcu("x", "m") with query_reference_value as lookup
}

test_another_measurement if {
	verdict(policy.trust_claims) == [33, 2] with input as dcu("c", "x") with query_reference_value as lookup
}
