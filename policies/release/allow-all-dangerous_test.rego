package policy_test

import data.policy
import rego.v1

test_every_token_gets_every_resource if {
	policy.allow with input as {} with data.plugin as "resource"
}

test_other_plugins_stay_closed if {
	not policy.allow with input as {} with data.plugin as "pkcs11"
}
