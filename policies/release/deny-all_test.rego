package policy_test

import data.policy
import rego.v1

test_nobody_gets_anything if {
	not policy.allow with input.submods as {"cpu0": {"ear.status": "affirming"}} with data.plugin as "resource"
}
