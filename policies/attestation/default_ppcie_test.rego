package policy_test

import data.policy
import rego.v1

test_the_topology_is_the_verdict if {
	policy.trust_claims.configuration == 2
	every claim, value in policy.trust_claims {
		value == {true: 2, false: 0}[claim == "configuration"]
	}
}
